#include "base/json_text.h"

#include <cstdint>

namespace salver {
namespace {

// Length of the UTF-8 sequence at the start of `text`, 0 when it is none.
size_t Utf8Length(std::string_view text) {
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  const size_t length = lead < 0x80                   ? 1
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                        : lead >= 0xe0                ? 3
                        : lead >= 0xc2                ? 2
                                                      : 0;
  if (length == 0 || lead >= 0xf5 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<uint8_t>(text[i]) & 0xc0) != 0x80) return 0;
  }
  if (length == 3) {
    const uint8_t second = static_cast<uint8_t>(text[1]);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0)) return 0;  // overlong, surrogate
  }
  if (length == 4) {
    const uint8_t second = static_cast<uint8_t>(text[1]);
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90)) return 0;
  }
  return length;
}

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      break;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  *out += "\\u00";
  *out += kHex[static_cast<uint8_t>(c) >> 4];
  *out += kHex[static_cast<uint8_t>(c) & 15];
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  size_t plain = 0;  // start of what needs no escape
  for (size_t i = 0; i < text.size();) {
    const uint8_t c = static_cast<uint8_t>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    const size_t length = c < 0x80 ? 1 : Utf8Length(text.substr(i));
    if (c >= 0x80 && length > 0) {
      i += length;
      continue;
    }
    out->append(text.substr(plain, i - plain));
    if (c < 0x80) {
      AppendEscaped(text[i], out);
    } else {
      *out += "\xef\xbf\xbd";
    }
    plain = ++i;
  }
  out->append(text.substr(plain));
  *out += '"';
}

}  // namespace salver
