#include "server/http/grpc_framing.h"

#include <algorithm>
#include <charconv>

namespace salver {

bool IsGrpcContentType(std::string_view content_type) {
  constexpr std::string_view kType = "application/grpc";
  if (!content_type.starts_with(kType)) return false;
  content_type.remove_prefix(kType.size());
  return content_type.empty() || content_type.starts_with("+proto") || content_type.front() == ';';
}

std::optional<std::chrono::microseconds> ParseGrpcTimeout(std::string_view header) {
  if (header.size() < 2 || header.size() > 9) return std::nullopt;
  int64_t amount = 0;
  const char* const unit = header.data() + header.size() - 1;
  const auto [end, error] = std::from_chars(header.data(), unit, amount);
  if (error != std::errc() || end != unit || amount < 0) return std::nullopt;
  switch (*unit) {
    case 'H':
      return std::chrono::hours(amount);
    case 'M':
      return std::chrono::minutes(amount);
    case 'S':
      return std::chrono::seconds(amount);
    case 'm':
      return std::chrono::milliseconds(amount);
    case 'u':
      return std::chrono::microseconds(amount);
    case 'n':
      return std::chrono::microseconds(amount / 1000);
    default:
      return std::nullopt;
  }
}

Result<std::string_view> GrpcMessage(std::string_view body) {
  if (body.size() < kGrpcPrefix) {
    return Status::InvalidArgument("the call has no message: its body has " + std::to_string(body.size()) +
                                   " bytes, and the prefix alone has five.");
  }
  if (body[0] != 0) {
    return Status::Unimplemented(
        "the call's message is compressed; this server takes messages as they are "
        "(grpc-accept-encoding: identity).");
  }
  size_t size = 0;
  for (size_t i = 1; i < kGrpcPrefix; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
  body.remove_prefix(kGrpcPrefix);
  if (size != body.size()) {
    return Status::InvalidArgument("the call's message should have " + std::to_string(size) +
                                   " bytes, and its body has " + std::to_string(body.size()) +
                                   " behind the prefix. A call of this server has one message.");
  }
  return body;
}

void SetGrpcPrefix(std::string* answer) {
  const size_t size = answer->size() - kGrpcPrefix;
  (*answer)[0] = 0;
  for (size_t i = 1; i < kGrpcPrefix; ++i)
    (*answer)[i] = static_cast<char>(size >> (8 * (kGrpcPrefix - 1 - i)) & 0xff);
}

std::string GrpcMessageHeader(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string header;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      header += c;
    } else {
      ((header += '%') += kDigits[byte >> 4]) += kDigits[byte & 15];
    }
  }
  return header;
}

}  // namespace salver
