// Cells as Feast's HTTP server writes them. The hot path of an answer: nothing is allocated but what `out`
// grows by.
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/digits.h"
#include "model/value_codec.h"
#include "model/wire.h"

namespace salver {
namespace {

char* WriteText(std::string_view text, char* to) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* WriteUpToFour(uint32_t below_10000, char* to) {
  const uint32_t first = below_10000 / 100, last = below_10000 % 100;
  if (first >= 10) return WriteTwoDigits(last, WriteTwoDigits(first, to));
  if (first > 0) {
    *to = static_cast<char>('0' + first);
    return WriteTwoDigits(last, to + 1);
  }
  if (last >= 10) return WriteTwoDigits(last, to);
  *to = static_cast<char>('0' + last);
  return to + 1;
}

// An answer is mostly numbers of a few digits: here those take a third of the instructions of std::to_chars.
char* WriteInteger(int64_t value, char* to) {
  constexpr int64_t kShort = 100'000'000;
  if (value <= -kShort || value >= kShort) return std::to_chars(to, to + kJsonScalarMax, value).ptr;
  if (value < 0) *to++ = '-';
  const auto digits = static_cast<uint32_t>(value < 0 ? -value : value);
  if (digits < 10'000) return WriteUpToFour(digits, to);
  return WriteFourDigits(digits % 10'000, WriteUpToFour(digits / 10'000, to));
}

// The shortest digits that read back as the same double; JSON has no NaN, so Feast quotes those.
char* WriteReal(double value, char* to) {
  if (std::isnan(value)) return WriteText("\"NaN\"", to);
  if (std::isinf(value)) return WriteText(value > 0 ? "\"Infinity\"" : "\"-Infinity\"", to);
  char* const end = std::to_chars(to, to + kJsonScalarMax, value).ptr;
  const bool whole = std::string_view(to, end).find_first_of(".e") == std::string_view::npos;
  return whole ? WriteText(".0", end) : end;
}

char* WriteSeconds(int64_t micros, char* to) {
  if (micros % kMicrosPerSecond == 0) return WriteInteger(micros / kMicrosPerSecond, to);
  return WriteReal(static_cast<double>(micros) / kMicrosPerSecond, to);
}

void AppendInteger(int64_t value, std::string* out) {
  char text[kJsonScalarMax];
  out->append(text, WriteInteger(value, text));
}

void AppendReal(double value, std::string* out) {
  char text[kJsonScalarMax];
  out->append(text, WriteReal(value, text));
}

void AppendBase64(std::string_view bytes, std::string* out) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  *out += '"';
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t block = 0;
    for (size_t j = 0; j < 3; ++j) block = block << 8 | (j < left ? static_cast<uint8_t>(bytes[i + j]) : 0);
    *out += kDigits[block >> 18];
    *out += kDigits[block >> 12 & 63];
    *out += left > 1 ? kDigits[block >> 6 & 63] : '=';
    *out += left > 2 ? kDigits[block & 63] : '=';
  }
  *out += '"';
}

bool IsBinary(ValueType type) {
  return type == ValueType::kBytes || type == ValueType::kPdfBytes || type == ValueType::kImageBytes;
}

void AppendStringLike(std::string_view bytes, ValueType type, std::string* out) {
  IsBinary(type) ? AppendBase64(bytes, out) : AppendJsonString(bytes, out);
}

// Writes serialized messages of feast.types as JSON; false at malformed bytes or too deep nesting.
bool AppendValueJson(std::string_view value, std::string* out, int depth);

void Separate(bool* first, std::string* out) {
  if (!*first) *out += ", ";
  *first = false;
}

bool AppendNumberElements(std::string_view packed, ValueType element, bool* first, std::string* out) {
  wire::Reader reader(packed);
  while (!reader.done()) {
    Separate(first, out);
    if (element == ValueType::kDouble) {
      double real;
      if (!reader.Fixed(&real)) return false;
      AppendReal(real, out);
    } else if (element == ValueType::kFloat) {
      float real;
      if (!reader.Fixed(&real)) return false;
      AppendReal(real, out);
    } else {
      uint64_t number;
      if (!reader.Varint(&number)) return false;
      if (element == ValueType::kBool) {
        *out += number != 0 ? "true" : "false";
      } else {
        AppendInteger(static_cast<int64_t>(number), out);
      }
    }
  }
  return true;
}

bool AppendListJson(std::string_view list, ValueType element, std::string* out) {
  *out += '[';
  bool first = true;
  wire::Reader reader(list);
  while (!reader.done()) {
    std::string_view bytes;
    if (!reader.Next()) return false;
    if (reader.field() != 1 || reader.type() != wire::kBytes) {
      if (!reader.Skip()) return false;
      continue;
    }
    if (!reader.Bytes(&bytes)) return false;
    if (IsStringLike(element)) {
      Separate(&first, out);
      AppendStringLike(bytes, element, out);
    } else if (!AppendNumberElements(bytes, element, &first, out)) {
      return false;
    }
  }
  *out += ']';
  return true;
}

bool AppendMapJson(std::string_view map, std::string* out, int depth) {
  *out += '{';
  bool first = true;
  wire::Reader reader(map);
  while (!reader.done()) {
    std::string_view entry, key, value;
    if (!reader.Next() || reader.type() != wire::kBytes || !reader.Bytes(&entry)) return false;
    wire::Reader fields(entry);
    while (!fields.done()) {
      std::string_view bytes;
      if (!fields.Next() || fields.type() != wire::kBytes || !fields.Bytes(&bytes)) return false;
      (fields.field() == 1 ? key : value) = bytes;
    }
    Separate(&first, out);
    AppendJsonString(key, out);
    *out += ": ";
    if (!AppendValueJson(value, out, depth + 1)) return false;
  }
  *out += '}';
  return true;
}

// MapList and RepeatedValue: messages in field 1, each written by `append`.
template <typename Append>
bool AppendMessages(std::string_view list, std::string* out, Append append) {
  *out += '[';
  bool first = true;
  wire::Reader reader(list);
  while (!reader.done()) {
    std::string_view bytes;
    if (!reader.Next() || reader.type() != wire::kBytes || !reader.Bytes(&bytes)) return false;
    Separate(&first, out);
    if (!append(bytes)) return false;
  }
  *out += ']';
  return true;
}

bool AppendZonedJson(std::string_view message, std::string* out) {
  wire::Reader reader(message);
  uint64_t seconds = 0;
  while (!reader.done()) {
    if (!reader.Next()) return false;
    if (reader.field() == 1 && reader.type() == wire::kVarint) {
      if (!reader.Varint(&seconds)) return false;
    } else if (!reader.Skip()) {
      return false;
    }
  }
  *out += '"';
  AppendTime(SecondsToMicros(static_cast<int64_t>(seconds)), out);
  *out += '"';
  return true;
}

bool AppendValueJson(std::string_view value, std::string* out, int depth) {
  if (depth > kMaxValueDepth) return false;
  if (value.empty()) return *out += "null", true;
  wire::Reader reader(value);
  if (!reader.Next()) return false;
  const ValueType type = static_cast<ValueType>(reader.field());
  if (IsFixedWidth(type) || IsStringLike(type) || type == ValueType::kNull) {
    OnlineCell cell;
    if (!DecodeValue(value, type, &cell).ok()) return false;
    AppendJson(cell, type, out);
    return true;
  }
  std::string_view bytes;
  if (reader.type() != wire::kBytes || !reader.Bytes(&bytes)) return false;
  switch (type) {
    case ValueType::kMap:
    case ValueType::kStruct:
      return AppendMapJson(bytes, out, depth);
    case ValueType::kMapList:
    case ValueType::kStructList:
      return AppendMessages(bytes, out,
                            [&](std::string_view map) { return AppendMapJson(map, out, depth + 1); });
    case ValueType::kValueList:
    case ValueType::kValueSet:
      return AppendMessages(bytes, out,
                            [&](std::string_view v) { return AppendValueJson(v, out, depth + 1); });
    case ValueType::kZonedTimestamp:
      return AppendZonedJson(bytes, out);
    case ValueType::kScalarMap:
      return AppendBase64(bytes, out), true;
    default:
      return ElementType(type) != ValueType::kInvalid && AppendListJson(bytes, ElementType(type), out);
  }
}

}  // namespace

char* WriteJsonScalar(const OnlineCell& cell, ValueType type, char* to) {
  if (cell.null()) return WriteText("null", to);
  if (cell.kind == OnlineCell::Kind::kReal) return WriteReal(cell.real, to);
  if (type == ValueType::kBool) return WriteText(cell.integer != 0 ? "true" : "false", to);
  return type == ValueType::kUnixTimestamp ? WriteSeconds(cell.integer, to) : WriteInteger(cell.integer, to);
}

void AppendJson(const OnlineCell& cell, ValueType type, std::string* out) {
  if (cell.kind != OnlineCell::Kind::kBytes) {
    char text[kJsonScalarMax];
    out->append(text, WriteJsonScalar(cell, type, text));
    return;
  }
  if (IsStringLike(type)) return AppendStringLike(cell.bytes(), type, out);
  const size_t start = out->size();
  if (AppendValueJson(cell.bytes(), out, 0)) return;
  out->resize(start);  // stored bytes that are no Value: say so rather than send half an object
  *out += "null";
}

}  // namespace salver
