#include "offline/postgres/value_decoder.h"

#include <arrow/builder.h>
#include <arrow/util/utf8.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

namespace salver::postgres {
namespace {

constexpr Fault kTooLarge = "is more than memory, or one Arrow array, can hold";
constexpr Fault kInfinite =
    "holds infinity, which a time here can not be; replace it in a query, with NULLIF or CASE";
constexpr Fault kFarTime = "holds a time that microseconds since 1970 in 64 bits can not say";
constexpr int64_t kEpochMicros = 946'684'800'000'000;  // 2000-01-01, where PostgreSQL's times start
constexpr int64_t kDayMicros = 86'400'000'000;

// A Wire has: Builder, Value, and Decode(bytes, &value). The builders of each:
template <typename Number, Number (*kFrom)(const uint8_t*), typename BuilderOf>
struct FixedWire {
  using Builder = BuilderOf;
  using Value = Number;
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.size() != sizeof(Number)) return "has a value of the wrong size for its type";
    *value = kFrom(bytes.data());
    return nullptr;
  }
};

float LoadFloat(const uint8_t* bytes) {
  return std::bit_cast<float>(LoadBigEndian<uint32_t>(bytes));
}
double LoadDouble(const uint8_t* bytes) {
  return std::bit_cast<double>(LoadBigEndian<uint64_t>(bytes));
}
int32_t LoadInt32(const uint8_t* bytes) {
  return static_cast<int32_t>(LoadBigEndian<uint32_t>(bytes));
}
int64_t LoadInt64(const uint8_t* bytes) {
  return static_cast<int64_t>(LoadBigEndian<uint64_t>(bytes));
}

using Int32Wire = FixedWire<int32_t, LoadInt32, arrow::Int32Builder>;
using Int64Wire = FixedWire<int64_t, LoadInt64, arrow::Int64Builder>;
using Float32Wire = FixedWire<float, LoadFloat, arrow::FloatBuilder>;
using Float64Wire = FixedWire<double, LoadDouble, arrow::DoubleBuilder>;

struct Int16Wire {
  using Builder = arrow::Int32Builder;
  using Value = int32_t;
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.size() != 2) return "has a value of the wrong size for its type";
    *value = static_cast<int16_t>(LoadBigEndian<uint16_t>(bytes.data()));
    return nullptr;
  }
};

// 4 bytes of block, 2 bytes of place in it.
struct RowPlaceWire {
  using Builder = arrow::Int64Builder;
  using Value = int64_t;
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.size() != 6) return "has a value of the wrong size for its type";
    *value = int64_t{LoadBigEndian<uint32_t>(bytes.data())} << 16 | LoadBigEndian<uint16_t>(bytes.data() + 4);
    return nullptr;
  }
};

struct BoolWire {
  using Builder = arrow::BooleanBuilder;
  using Value = bool;
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.size() != 1 || bytes[0] > 1) return "has a boolean that is neither 0 nor 1";
    *value = bytes[0] == 1;
    return nullptr;
  }
};

struct TimestampWire {
  using Builder = arrow::TimestampBuilder;
  using Value = int64_t;
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.size() != 8) return "has a value of the wrong size for its type";
    const int64_t micros = LoadInt64(bytes.data());
    if (micros == INT64_MAX || micros == INT64_MIN) return kInfinite;
    return __builtin_add_overflow(micros, kEpochMicros, value) ? kFarTime : nullptr;
  }
};

struct DateWire {
  using Builder = arrow::TimestampBuilder;
  using Value = int64_t;
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.size() != 4) return "has a value of the wrong size for its type";
    const int32_t days = LoadInt32(bytes.data());
    if (days == INT32_MAX || days == INT32_MIN) return kInfinite;
    int64_t micros = 0;
    return __builtin_mul_overflow(int64_t{days}, kDayMicros, &micros) ||
                   __builtin_add_overflow(micros, kEpochMicros, value)
               ? kFarTime
               : nullptr;
  }
};

std::string_view TextOf(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename BuilderOf>
struct TextWire {
  using Builder = BuilderOf;
  using Value = std::string_view;
  Fault Decode(Bytes bytes, Value* value) const {
    *value = TextOf(bytes);
    // A database of encoding SQL_ASCII hands out whatever was put in.
    return arrow::util::ValidateUTF8(*value) ? nullptr : "holds text that is not UTF-8; cast it to bytea";
  }
};

struct JsonbWire : TextWire<arrow::LargeStringBuilder> {
  Fault Decode(Bytes bytes, Value* value) const {
    if (bytes.empty() || bytes[0] != 1) return "has jsonb of a version that this build does not read";
    return TextWire::Decode(bytes.subspan(1), value);
  }
};

struct BytesWire {
  using Builder = arrow::BinaryBuilder;
  using Value = std::string_view;
  Fault Decode(Bytes bytes, Value* value) const {
    *value = TextOf(bytes);
    return nullptr;
  }
};

struct UuidWire {
  using Builder = arrow::StringBuilder;
  using Value = std::string_view;
  Fault Decode(Bytes bytes, Value* value) {
    if (bytes.size() != 16) return "has a uuid that is not 16 bytes";
    static constexpr char kHex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < 16; ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
      text[at++] = kHex[bytes[i] >> 4];
      text[at++] = kHex[bytes[i] & 15];
    }
    *value = std::string_view(text.data(), at);
    return nullptr;
  }
  std::array<char, 36> text;
};

// Digits of base 10000, most significant first; the value is their sum of digit[i] * 10000^(weight - i).
struct NumericWire {
  using Builder = arrow::DoubleBuilder;
  using Value = double;
  static constexpr Fault kBad = "has a numeric that is not well formed";

  Fault Decode(Bytes bytes, Value* value) {
    if (bytes.size() < 8) return kBad;
    const size_t digits = LoadBigEndian<uint16_t>(bytes.data());
    const int weight = static_cast<int16_t>(LoadBigEndian<uint16_t>(bytes.data() + 2));
    const uint16_t sign = LoadBigEndian<uint16_t>(bytes.data() + 4);
    if (bytes.size() != 8 + 2 * digits) return kBad;
    switch (sign) {
      case 0x0000:
      case 0x4000:
        break;
      case 0xC000:
        *value = std::nan("");
        return nullptr;
      case 0xD000:
      case 0xF000:
        *value = sign == 0xD000 ? HUGE_VAL : -HUGE_VAL;
        return nullptr;
      default:
        return kBad;
    }
    const Fault fault = Finite(bytes.subspan(8), weight - static_cast<int>(digits) + 1, value);
    if (sign == 0x4000) *value = -*value;
    return fault;
  }

  // `digits` times 10000^exponent, rounded once.
  Fault Finite(Bytes digits, int exponent, double* value) {
    text.clear();
    for (size_t i = 0; i < digits.size(); i += 2) {
      const uint16_t digit = LoadBigEndian<uint16_t>(digits.data() + i);
      if (digit > 9999) return kBad;
      for (const int unit : {1000, 100, 10, 1}) text += static_cast<char>('0' + digit / unit % 10);
    }
    *value = 0;
    if (text.empty()) return nullptr;
    text += 'e';
    text += std::to_string(exponent * 4);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (error == std::errc()) return nullptr;
    *value =
        std::strtod(text.c_str(), nullptr);  // past the ends of double: 0 is near enough, infinity is not
    return std::isinf(*value) ? "has a numeric that DOUBLE can not hold; cast it to text" : nullptr;
  }
  std::string text;
};

template <typename Wire>
class ScalarDecoder final : public ColumnDecoder {
 public:
  explicit ScalarDecoder(const std::shared_ptr<arrow::DataType>& type)
      : builder_(type, arrow::default_memory_pool()) {}

  Fault Append(Bytes bytes) override {
    typename Wire::Value value{};
    if (const Fault fault = wire_.Decode(bytes, &value)) return fault;
    return builder_.Append(value).ok() ? nullptr : kTooLarge;
  }
  Fault AppendNull() override { return builder_.AppendNull().ok() ? nullptr : kTooLarge; }
  arrow::Result<std::shared_ptr<arrow::Array>> Finish() override { return builder_.Finish(); }

 private:
  Wire wire_;
  typename Wire::Builder builder_;
};

// An array: dimensions, whether some element is null, the element's type, per dimension its length and first
// index, then the elements, each with its length.
template <typename Wire>
class ListDecoder final : public ColumnDecoder {
 public:
  ListDecoder(const std::shared_ptr<arrow::DataType>& element, uint32_t element_oid)
      : element_oid_(element_oid),
        elements_(std::make_shared<typename Wire::Builder>(element, arrow::default_memory_pool())),
        lists_(arrow::default_memory_pool(), elements_, arrow::list(element)) {}

  Fault Append(Bytes bytes) override {
    static constexpr Fault kBad = "has an array that is not well formed";
    if (bytes.size() < 12) return kBad;
    const uint32_t dimensions = LoadBigEndian<uint32_t>(bytes.data());
    if (LoadBigEndian<uint32_t>(bytes.data() + 8) != element_oid_)
      return "has an array whose elements have another type";
    if (dimensions > 1)
      return "has an array of more than one dimension; a list has one. Take it apart in a query";
    if (!lists_.Append().ok()) return kTooLarge;
    if (dimensions == 0) return bytes.size() == 12 ? nullptr : kBad;
    if (bytes.size() < 20) return kBad;
    const uint32_t count = LoadBigEndian<uint32_t>(bytes.data() + 12);
    bytes = bytes.subspan(20);
    for (uint32_t i = 0; i < count; ++i) {
      if (bytes.size() < 4) return kBad;
      const auto size = LoadInt32(bytes.data());
      bytes = bytes.subspan(4);
      if (size == -1) {
        if (!elements_->AppendNull().ok()) return kTooLarge;
        continue;
      }
      if (size < 0 || static_cast<size_t>(size) > bytes.size()) return kBad;
      typename Wire::Value value{};
      if (const Fault fault = wire_.Decode(bytes.first(static_cast<size_t>(size)), &value)) return fault;
      if (!elements_->Append(value).ok()) return kTooLarge;
      bytes = bytes.subspan(static_cast<size_t>(size));
    }
    return bytes.empty() ? nullptr : kBad;
  }
  Fault AppendNull() override { return lists_.AppendNull().ok() ? nullptr : kTooLarge; }
  arrow::Result<std::shared_ptr<arrow::Array>> Finish() override { return lists_.Finish(); }

 private:
  const uint32_t element_oid_;
  Wire wire_;
  std::shared_ptr<typename Wire::Builder> elements_;
  arrow::ListBuilder lists_;
};

template <typename Wire>
std::unique_ptr<ColumnDecoder> DecoderOf(const Column& column) {
  const auto element = ArrowTypeOf({column.type.wire, false});
  if (column.type.array) return std::make_unique<ListDecoder<Wire>>(element, ElementOid(column.oid));
  return std::make_unique<ScalarDecoder<Wire>>(element);
}

}  // namespace

std::unique_ptr<ColumnDecoder> NewColumnDecoder(const Column& column) {
  switch (column.type.wire) {
    case WireType::kBool:
      return DecoderOf<BoolWire>(column);
    case WireType::kInt16:
      return DecoderOf<Int16Wire>(column);
    case WireType::kInt32:
      return DecoderOf<Int32Wire>(column);
    case WireType::kInt64:
      return DecoderOf<Int64Wire>(column);
    case WireType::kFloat32:
      return DecoderOf<Float32Wire>(column);
    case WireType::kFloat64:
      return DecoderOf<Float64Wire>(column);
    case WireType::kNumeric:
      return DecoderOf<NumericWire>(column);
    case WireType::kText:
      return DecoderOf<TextWire<arrow::StringBuilder>>(column);
    case WireType::kUuid:
      return DecoderOf<UuidWire>(column);
    case WireType::kJson:
      return DecoderOf<TextWire<arrow::LargeStringBuilder>>(column);
    case WireType::kJsonb:
      return DecoderOf<JsonbWire>(column);
    case WireType::kBytes:
      return DecoderOf<BytesWire>(column);
    case WireType::kDate:
      return DecoderOf<DateWire>(column);
    case WireType::kTimestamp:
    case WireType::kTimestampTz:
      return DecoderOf<TimestampWire>(column);
    case WireType::kRowPlace:
      return DecoderOf<RowPlaceWire>(column);
  }
  return nullptr;
}

}  // namespace salver::postgres
