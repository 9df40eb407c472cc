#include "serving/key_values.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/clock.h"
#include "model/value_codec.h"
#include "salver/entity_key.h"

namespace salver {
namespace {

std::string Shown(const EntityValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value))
    return "string \"" + std::string(text->substr(0, 64)) + "\"";
  if (const auto* integer = std::get_if<int64_t>(&value)) return "integer " + std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return "number " + std::to_string(*real);
  return std::get<bool>(value) ? "true" : "false";
}

Status BadValue(const EntityValue& value, ValueType type, std::string_view column, size_t row) {
  return Status::InvalidArgument("entity column \"" + std::string(column) + "\", row " + std::to_string(row) +
                                     ", holds " + Shown(value) + "; its views join on " +
                                     ValueTypeName(type) + ".",
                                 Reason::kBadKeyValue);
}

bool ParseInteger(std::string_view text, int64_t* value) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool ToInteger(const EntityValue& value, int64_t* integer) {
  if (const auto* i = std::get_if<int64_t>(&value)) return *integer = *i, true;
  if (const auto* b = std::get_if<bool>(&value)) return *integer = *b, true;
  if (const auto* text = std::get_if<std::string_view>(&value)) return ParseInteger(*text, integer);
  const double real = std::trunc(std::get<double>(value));
  if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0)) return false;  // NaN too
  *integer = static_cast<int64_t>(real);
  return true;
}

}  // namespace

Result<OnlineCell> KeyCell(const EntityValue& value, ValueType type, std::string_view column, size_t row,
                           ByteArena* arena) {
  if (std::holds_alternative<std::monostate>(value)) {
    return Status::InvalidArgument("entity column \"" + std::string(column) + "\", row " +
                                       std::to_string(row) + ", is null. Every row needs its join key.",
                                   Reason::kNullJoinKey);
  }
  int64_t integer;
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64: {
      const int64_t most = type == ValueType::kInt32 ? std::numeric_limits<int32_t>::max()
                                                     : std::numeric_limits<int64_t>::max();
      if (!ToInteger(value, &integer) || integer > most || integer < -most - 1)
        return BadValue(value, type, column, row);
      return OnlineCell::Integer(integer);
    }
    case ValueType::kUnixTimestamp:
      if (const auto* text = std::get_if<std::string_view>(&value);
          text != nullptr && !ParseInteger(*text, &integer)) {
        const auto time = ParseTime(*text);
        if (!time.ok()) return BadValue(value, type, column, row);
        return OnlineCell::Integer(time->micros);
      }
      if (!ToInteger(value, &integer) || integer > kMostSeconds || integer < -kMostSeconds)
        return BadValue(value, type, column, row);
      return OnlineCell::Integer(integer * kMicrosPerSecond);
    default:
      break;
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) return OnlineCell::Bytes(arena->Copy(*text));
  std::string text;
  if (const auto* b = std::get_if<bool>(&value)) {
    text = *b ? "True" : "False";
  } else if (const auto* i = std::get_if<int64_t>(&value)) {
    text = std::to_string(*i);
  } else {
    AppendJson(OnlineCell::Real(std::get<double>(value)), ValueType::kDouble, &text);
  }
  return OnlineCell::Bytes(arena->Copy(text));
}

void AppendKeyCell(const OnlineCell& cell, ValueType type, std::string* key) {
  switch (type) {
    case ValueType::kInt32:
      return EntityKeyEncoder::AppendInt32(static_cast<int32_t>(cell.integer), key);
    case ValueType::kInt64:
      return EntityKeyEncoder::AppendInt64(cell.integer, key);
    case ValueType::kUnixTimestamp:
      return EntityKeyEncoder::AppendUnixTimestamp(
          cell.integer / kMicrosPerSecond - (cell.integer % kMicrosPerSecond < 0 ? 1 : 0), key);
    case ValueType::kBytes:
      return EntityKeyEncoder::AppendBytes(cell.bytes(), key);
    default:
      return EntityKeyEncoder::AppendString(cell.bytes(), key);
  }
}

}  // namespace salver
