#include "store/random_column.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <parquet/exception.h>

#include <bit>
#include <limits>
#include <string>

#include "feast/types/Value.pb.h"

namespace salver {
namespace {

constexpr int64_t kSecond = 1'000'000;

int64_t RandomInteger(int64_t least, int64_t most, Dice* dice) {
  switch (dice->Below(8)) {
    case 0:
      return least;
    case 1:
      return most;
    case 2:
      return 0;
    case 3:
      return -1;
    default:
      return static_cast<int64_t>(dice->Bits()) >> dice->Below(64) & most;
  }
}

template <typename Real>
Real RandomReal(Dice* dice) {
  using Limits = std::numeric_limits<Real>;
  switch (dice->Below(12)) {
    case 0:
      return Limits::quiet_NaN();
    case 1:
      return -Limits::quiet_NaN();
    case 2:
      return Limits::infinity();
    case 3:
      return -Limits::infinity();
    case 4:
      return Real(-0.0);
    case 5:
      return Real(0);
    case 6:
      return Limits::denorm_min();
    case 7:
      return -Limits::max();
    default:
      return static_cast<Real>(dice->Below(2'000'001) - 1'000'000) / Real(7);
  }
}

std::string RandomText(Dice* dice) {
  static const std::vector<std::string> kParts = {
      "a", "Zürich", "\"", "\\", "\n", " ", "東京", "\x7f", "{\"k\"", "null", "0", std::string("\0", 1)};
  std::string text;
  for (int64_t parts = dice->OneIn(20) ? 60 : dice->Below(4); parts > 0; --parts) text += dice->Pick(kParts);
  return text;
}

std::string RandomBytes(Dice* dice) {
  std::string bytes(static_cast<size_t>(dice->OneIn(20) ? 300 : dice->Below(5)), '\0');
  for (char& byte : bytes) byte = static_cast<char>(dice->Bits());
  return bytes;
}

// A column of SCALAR_MAP holds the serialized Value itself.
std::string RandomScalarMap(Dice* dice) {
  feast::types::Value value;
  auto* map = value.mutable_scalar_map_val();
  for (int64_t entries = dice->Below(3); entries > 0; --entries) {
    auto* entry = map->add_val();
    entry->mutable_key()->set_int64_key(dice->Below(100));
    entry->mutable_value()->set_double_val(RandomReal<double>(dice));
  }
  return value.SerializeAsString();
}

class Filler {
 public:
  Filler(bool whole_seconds, Dice* dice) : whole_seconds_(whole_seconds), dice_(*dice) {}

  // `inside`: of a list. Neither Feast's lists nor ours have nulls, and their times are whole seconds.
  void Append(arrow::ArrayBuilder* builder, bool inside) {
    switch (builder->type()->id()) {
      case arrow::Type::BOOL:
        return Add<arrow::BooleanBuilder>(builder, dice_.OneIn(2));
      case arrow::Type::INT32:
        return Add<arrow::Int32Builder>(builder,
                                        static_cast<int32_t>(RandomInteger(INT32_MIN, INT32_MAX, &dice_)));
      case arrow::Type::INT64:
        return Add<arrow::Int64Builder>(builder, RandomInteger(INT64_MIN, INT64_MAX, &dice_));
      case arrow::Type::FLOAT:
        return Add<arrow::FloatBuilder>(builder, RandomReal<float>(&dice_));
      case arrow::Type::DOUBLE:
        return Add<arrow::DoubleBuilder>(builder, RandomReal<double>(&dice_));
      case arrow::Type::TIMESTAMP: {
        const int64_t seconds = dice_.OneIn(4) ? -dice_.Below(2'000'000'000) : dice_.Below(4'000'000'000);
        return Add<arrow::TimestampBuilder>(
            builder, seconds * kSecond + (inside || whole_seconds_ ? 0 : dice_.Below(kSecond)));
      }
      case arrow::Type::STRING:
        return Add<arrow::StringBuilder>(builder, RandomText(&dice_));
      case arrow::Type::LARGE_STRING:
        return Add<arrow::LargeStringBuilder>(builder, RandomText(&dice_));
      case arrow::Type::BINARY:
        return Add<arrow::BinaryBuilder>(builder, RandomBytes(&dice_));
      case arrow::Type::MAP:
        return AppendMap(static_cast<arrow::MapBuilder*>(builder));
      case arrow::Type::STRUCT:
        return AppendStruct(static_cast<arrow::StructBuilder*>(builder));
      case arrow::Type::LIST: {
        auto* list = static_cast<arrow::ListBuilder*>(builder);
        PARQUET_THROW_NOT_OK(list->Append());
        for (int64_t i = dice_.Below(4); i > 0; --i) Append(list->value_builder(), true);
        return;
      }
      default:
        throw std::logic_error("no random values of type " + builder->type()->ToString());
    }
  }

 private:
  template <typename Builder, typename Value>
  static void Add(arrow::ArrayBuilder* builder, const Value& value) {
    PARQUET_THROW_NOT_OK(static_cast<Builder*>(builder)->Append(value));
  }

  void AppendOrNull(arrow::ArrayBuilder* builder) {
    if (!dice_.OneIn(4)) return Append(builder, true);
    PARQUET_THROW_NOT_OK(builder->AppendNull());
  }

  // Keys in their order: a map has none, and the way back to Arrow gives it this one.
  void AppendMap(arrow::MapBuilder* map) {
    PARQUET_THROW_NOT_OK(map->Append());
    for (const char* key : {"", "k1", "k2", "日"}) {
      if (dice_.OneIn(2)) continue;
      Add<arrow::StringBuilder>(map->key_builder(), std::string(key));
      AppendOrNull(map->item_builder());
    }
  }

  void AppendStruct(arrow::StructBuilder* rows) {
    PARQUET_THROW_NOT_OK(rows->Append());
    for (int i = 0; i < rows->num_fields(); ++i) AppendOrNull(rows->field_builder(i));
  }

  const bool whole_seconds_;
  Dice& dice_;
};

}  // namespace

std::shared_ptr<arrow::Array> RandomColumn(const Field& field, int64_t rows, bool whole_seconds, Dice* dice) {
  const auto builder =
      arrow::MakeBuilder(ArrowType(field.type, field.struct_schema()), arrow::default_memory_pool())
          .ValueOrDie();
  Filler filler(whole_seconds || field.type == ValueType::kZonedTimestamp, dice);
  for (int64_t row = 0; row < rows; ++row) {
    if (dice->OneIn(10)) {
      PARQUET_THROW_NOT_OK(builder->AppendNull());
    } else if (field.type == ValueType::kScalarMap) {
      PARQUET_THROW_NOT_OK(static_cast<arrow::BinaryBuilder*>(builder.get())->Append(RandomScalarMap(dice)));
    } else {
      filler.Append(builder.get(), false);
    }
  }
  return builder->Finish().ValueOrDie();
}

}  // namespace salver
