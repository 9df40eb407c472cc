#include "offline/postgres/value_encoder.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/type_traits.h>

#include <bit>
#include <limits>

#include "base/arrow_status.h"
#include "kernel/columns.h"

namespace salver::postgres {
namespace {

constexpr int64_t kEpochMicros = 946'684'800'000'000;  // 2000-01-01, where PostgreSQL's times start
constexpr int64_t kDayMicros = 86'400'000'000;

bool IsTime(WireType wire) {
  return wire == WireType::kDate || wire == WireType::kTimestamp || wire == WireType::kTimestampTz;
}

bool IsText(const arrow::DataType& type) {
  return arrow::is_base_binary_like(type.id()) && arrow::is_string(type.id());
}

// What the encoder of `wire` reads.
std::shared_ptr<arrow::DataType> EncodedForm(WireType wire) {
  if (IsTime(wire)) return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  if (wire == WireType::kNumeric) return arrow::utf8();
  return ArrowTypeOf({wire, false});
}

// Whether a value of Arrow type `from` may become one of `wire` at all. Text becomes no number: a column of
// numbers that holds text is a mistake, but a decimal is kept as text in Arrow.
bool MayHold(WireType wire, const arrow::DataType& from) {
  switch (wire) {
    case WireType::kText:
    case WireType::kUuid:
    case WireType::kJson:
    case WireType::kJsonb:
      return IsText(from);
    case WireType::kBytes:
      return arrow::is_binary_like(from.id()) || arrow::is_large_binary_like(from.id()) ||
             from.id() == arrow::Type::FIXED_SIZE_BINARY;
    case WireType::kDate:
    case WireType::kTimestamp:
    case WireType::kTimestampTz:
      return from.id() == arrow::Type::TIMESTAMP || arrow::is_date(from.id()) || IsText(from);
    case WireType::kNumeric:
      return IsText(from) || arrow::is_numeric(from.id()) || arrow::is_decimal(from.id());
    case WireType::kBool:
      return from.id() == arrow::Type::BOOL;
    default:
      return arrow::is_numeric(from.id()) || arrow::is_decimal(from.id());
  }
}

Result<std::shared_ptr<arrow::Array>> FitScalars(const std::shared_ptr<arrow::Array>& values, WireType wire,
                                                 const std::string& what) {
  const auto form = EncodedForm(wire);
  if (values->type()->id() == arrow::Type::NA)
    return FromArrow(arrow::MakeArrayOfNull(form, values->length()), what);
  if (!MayHold(wire, *values->type())) {
    return Status::InvalidArgument(
        what + " holds " + values->type()->ToString() + ", which the table's column can not. Cast it first.",
        Reason::kBadFeatureValue);
  }
  if (IsTime(wire)) return CastTimeColumn(arrow::ChunkedArray(values), what);
  if (values->type()->Equals(*form)) return values;
  auto cast = arrow::compute::Cast(*values, form);
  if (!cast.ok()) {
    return Status::InvalidArgument(
        what + " does not fit the table's column: " + cast.status().message() + ".",
        Reason::kBadFeatureValue);
  }
  return std::move(cast).ValueUnsafe();
}

template <typename ArrayType>
class FixedEncoder final : public ColumnEncoder {
 public:
  explicit FixedEncoder(const arrow::Array& values) : values_(static_cast<const ArrayType&>(values)) {}
  Fault Append(int64_t row, std::string* out) const override {
    const auto value = values_.Value(row);
    if constexpr (std::is_same_v<ArrayType, arrow::BooleanArray>) {
      *out += static_cast<char>(value ? 1 : 0);
    } else if constexpr (sizeof(value) == 4) {
      StoreBigEndian(std::bit_cast<uint32_t>(value), out);
    } else {
      StoreBigEndian(std::bit_cast<uint64_t>(value), out);
    }
    return nullptr;
  }

 private:
  const ArrayType& values_;
};

class Int16Encoder final : public ColumnEncoder {
 public:
  explicit Int16Encoder(const arrow::Array& values)
      : values_(static_cast<const arrow::Int32Array&>(values)) {}
  Fault Append(int64_t row, std::string* out) const override {
    const int32_t value = values_.Value(row);
    if (value != static_cast<int16_t>(value)) return "holds a number that smallint can not";
    StoreBigEndian(static_cast<uint16_t>(value), out);
    return nullptr;
  }

 private:
  const arrow::Int32Array& values_;
};

class TimeEncoder final : public ColumnEncoder {
 public:
  TimeEncoder(const arrow::Array& values, bool date)
      : values_(static_cast<const arrow::TimestampArray&>(values)), date_(date) {}
  Fault Append(int64_t row, std::string* out) const override {
    int64_t micros = 0;
    // The smallest number is -infinity there.
    if (__builtin_sub_overflow(values_.Value(row), kEpochMicros, &micros) || micros == INT64_MIN)
      return "holds a time that PostgreSQL can not";
    if (!date_) {
      StoreBigEndian(static_cast<uint64_t>(micros), out);
      return nullptr;
    }
    if (micros % kDayMicros != 0) return "holds a time of day, which a date has not";
    StoreBigEndian(static_cast<uint32_t>(micros / kDayMicros), out);
    return nullptr;
  }

 private:
  const arrow::TimestampArray& values_;
  const bool date_;
};

template <typename ArrayType>
class TextEncoder final : public ColumnEncoder {
 public:
  TextEncoder(const arrow::Array& values, std::string_view prefix)
      : values_(static_cast<const ArrayType&>(values)), prefix_(prefix) {}
  Fault Append(int64_t row, std::string* out) const override {
    *out += prefix_;
    *out += values_.GetView(row);
    return nullptr;
  }

 private:
  const ArrayType& values_;
  const std::string_view prefix_;
};

class NumericEncoder final : public ColumnEncoder {
 public:
  explicit NumericEncoder(const arrow::Array& values)
      : values_(static_cast<const arrow::StringArray&>(values)) {}
  Fault Append(int64_t row, std::string* out) const override {
    return AppendNumeric(values_.GetView(row), out);
  }

 private:
  const arrow::StringArray& values_;
};

class UuidEncoder final : public ColumnEncoder {
 public:
  explicit UuidEncoder(const arrow::Array& values)
      : values_(static_cast<const arrow::StringArray&>(values)) {}
  Fault Append(int64_t row, std::string* out) const override {
    static constexpr Fault kBad = "holds text that is no uuid";
    int nibbles = 0, byte = 0;
    for (const char c : values_.GetView(row)) {
      if (c == '-') continue;
      const char lower = static_cast<char>(c | 32);
      const int nibble = c >= '0' && c <= '9'           ? c - '0'
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : -1;
      if (nibble < 0 || nibbles == 32) return kBad;
      byte = byte * 16 + nibble;
      if (++nibbles % 2 == 0) {
        *out += static_cast<char>(byte);
        byte = 0;
      }
    }
    return nibbles == 32 ? nullptr : kBad;
  }

 private:
  const arrow::StringArray& values_;
};

class ListEncoder final : public ColumnEncoder {
 public:
  ListEncoder(const arrow::ListArray& lists, uint32_t element_oid, std::unique_ptr<ColumnEncoder> elements)
      : lists_(lists), element_oid_(element_oid), elements_(std::move(elements)) {}
  Fault Append(int64_t row, std::string* out) const override {
    const int64_t begin = lists_.value_offset(row), end = lists_.value_offset(row + 1);
    const arrow::Array& values = *lists_.values();
    bool nulls = false;
    for (int64_t i = begin; i < end; ++i) nulls |= values.IsNull(i);
    StoreBigEndian(uint32_t{begin < end}, out);  // dimensions
    StoreBigEndian(uint32_t{nulls}, out);
    StoreBigEndian(element_oid_, out);
    if (begin == end) return nullptr;
    StoreBigEndian(static_cast<uint32_t>(end - begin), out);
    StoreBigEndian(uint32_t{1}, out);  // the first index
    for (int64_t i = begin; i < end; ++i) {
      if (const Fault fault = AppendSized(*elements_, values, i, out)) return fault;
    }
    return nullptr;
  }

 private:
  const arrow::ListArray& lists_;
  const uint32_t element_oid_;
  const std::unique_ptr<ColumnEncoder> elements_;
};

std::unique_ptr<ColumnEncoder> ScalarEncoder(WireType wire, const arrow::Array& values) {
  switch (wire) {
    case WireType::kBool:
      return std::make_unique<FixedEncoder<arrow::BooleanArray>>(values);
    case WireType::kInt16:
      return std::make_unique<Int16Encoder>(values);
    case WireType::kInt32:
      return std::make_unique<FixedEncoder<arrow::Int32Array>>(values);
    case WireType::kInt64:
      return std::make_unique<FixedEncoder<arrow::Int64Array>>(values);
    case WireType::kFloat32:
      return std::make_unique<FixedEncoder<arrow::FloatArray>>(values);
    case WireType::kFloat64:
      return std::make_unique<FixedEncoder<arrow::DoubleArray>>(values);
    case WireType::kNumeric:
      return std::make_unique<NumericEncoder>(values);
    case WireType::kText:
      return std::make_unique<TextEncoder<arrow::StringArray>>(values, "");
    case WireType::kUuid:
      return std::make_unique<UuidEncoder>(values);
    case WireType::kJson:
      return std::make_unique<TextEncoder<arrow::LargeStringArray>>(values, "");
    case WireType::kJsonb:
      return std::make_unique<TextEncoder<arrow::LargeStringArray>>(values, "\x01");  // the format's version
    case WireType::kBytes:
      return std::make_unique<TextEncoder<arrow::BinaryArray>>(values, "");
    case WireType::kDate:
      return std::make_unique<TimeEncoder>(values, true);
    case WireType::kTimestamp:
    case WireType::kTimestampTz:
      return std::make_unique<TimeEncoder>(values, false);
    case WireType::kRowPlace:
      break;
  }
  return nullptr;
}

// "-12.5e3" taken apart: its digits without the point, and the power of ten of the last one.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
  int scale = 0;  // digits after the point that were written
};

bool ParseDecimal(std::string_view text, Decimal* decimal) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    decimal->negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    const std::string power(text.substr(e + 1));
    char* end = nullptr;
    const long value = std::strtol(power.c_str(), &end, 10);
    if (power.empty() || *end != '\0' || value > 16000 || value < -16000) return false;
    decimal->exponent = static_cast<int>(value);
    text = text.substr(0, e);
  }
  bool point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      decimal->digits += c;
      if (point) --decimal->exponent;
    } else {
      return false;
    }
  }
  decimal->scale = decimal->exponent < 0 ? -decimal->exponent : 0;
  return !decimal->digits.empty() && decimal->digits.size() < 100'000 && decimal->scale <= 16383;
}

}  // namespace

Fault AppendSized(const ColumnEncoder& encoder, const arrow::Array& values, int64_t row, std::string* out) {
  if (values.IsNull(row)) {
    StoreBigEndian(~uint32_t{0}, out);
    return nullptr;
  }
  const size_t at = out->size();
  out->append(4, '\0');
  if (const Fault fault = encoder.Append(row, out)) return fault;
  const size_t size = out->size() - at - 4;
  if (size > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    return "holds a value of more than 2 GB";
  for (size_t i = 0; i < 4; ++i) (*out)[at + i] = static_cast<char>((size >> (24 - 8 * i)) & 0xFF);
  return nullptr;
}

Fault AppendNumeric(std::string_view text, std::string* out) {
  const auto header = [&](size_t digits, int weight, uint16_t sign, int scale) {
    StoreBigEndian(static_cast<uint16_t>(digits), out);
    StoreBigEndian(static_cast<uint16_t>(weight), out);
    StoreBigEndian(sign, out);
    StoreBigEndian(static_cast<uint16_t>(scale), out);
    return Fault{nullptr};
  };
  if (text == "nan" || text == "NaN" || text == "-nan") return header(0, 0, 0xC000, 0);
  if (text == "inf" || text == "Infinity") return header(0, 0, 0xD000, 0);
  if (text == "-inf" || text == "-Infinity") return header(0, 0, 0xF000, 0);
  Decimal decimal;
  if (!ParseDecimal(text, &decimal)) return "holds text that is no number";
  // Whole digits of base 10000: zeros behind until the exponent is a multiple of 4, zeros before likewise.
  while (decimal.exponent % 4 != 0) {
    decimal.digits += '0';
    --decimal.exponent;
  }
  decimal.digits.insert(0, (4 - decimal.digits.size() % 4) % 4, '0');
  size_t begin = 0, end = decimal.digits.size();
  while (begin < end && decimal.digits.compare(begin, 4, "0000") == 0) begin += 4;
  const int weight = static_cast<int>((end - begin) / 4) + decimal.exponent / 4 - 1;
  while (end > begin && decimal.digits.compare(end - 4, 4, "0000") == 0) end -= 4;
  if (begin == end) return header(0, 0, 0, decimal.scale);
  header((end - begin) / 4, weight, decimal.negative ? 0x4000 : 0, decimal.scale);
  for (size_t i = begin; i < end; i += 4)
    StoreBigEndian(static_cast<uint16_t>(std::stoi(decimal.digits.substr(i, 4))), out);
  return nullptr;
}

Result<std::shared_ptr<arrow::Array>> FitValues(const std::shared_ptr<arrow::Array>& values,
                                                const Column& column, const std::string& what) {
  if (!column.type.array) return FitScalars(values, column.type.wire, what);
  if (values->type_id() == arrow::Type::NA) {
    return FromArrow(arrow::MakeArrayOfNull(arrow::list(EncodedForm(column.type.wire)), values->length()),
                     what);
  }
  if (values->type_id() != arrow::Type::LIST) {
    return Status::InvalidArgument(
        what + " holds " + values->type()->ToString() + ", but the table's column is an array.",
        Reason::kBadFeatureValue);
  }
  const auto& lists = static_cast<const arrow::ListArray&>(*values);
  SALVER_ASSIGN(auto elements, FitScalars(lists.values(), column.type.wire, what));
  const auto& data = *values->data();
  auto type = arrow::list(elements->type());
  return std::shared_ptr<arrow::Array>(
      std::make_shared<arrow::ListArray>(std::move(type), data.length, data.buffers[1], std::move(elements),
                                         data.buffers[0], data.null_count, data.offset));
}

std::unique_ptr<ColumnEncoder> NewColumnEncoder(const Column& column,
                                                const std::shared_ptr<arrow::Array>& values) {
  if (!column.type.array) return ScalarEncoder(column.type.wire, *values);
  const auto& lists = static_cast<const arrow::ListArray&>(*values);
  return std::make_unique<ListEncoder>(lists, ElementOid(column.oid),
                                       ScalarEncoder(column.type.wire, *lists.values()));
}

}  // namespace salver::postgres
