// Cells back to Arrow arrays: for Python, Arrow answers and tests. Not a hot path: nested values go through
// the protobuf message, which knows every form.
#include <arrow/array.h>
#include <arrow/builder.h>

#include "base/clock.h"
#include "feast/types/Value.pb.h"
#include "model/value_codec.h"

namespace salver {
namespace {

using feast::types::Value;

Status FromArrow(const arrow::Status& status) {
  return status.ok() ? Status::OK() : Status::Internal("Arrow: " + status.ToString());
}

Status Misfit(const arrow::DataType& type) {
  return Status::DataLoss("a stored value does not fit Arrow type " + type.ToString() +
                          ". The view's type has changed: materialize it again.");
}

Status AppendMessage(const Value& value, arrow::ArrayBuilder* builder);

Status AppendMap(const feast::types::Map& map, arrow::ArrayBuilder* builder) {
  if (builder->type()->id() == arrow::Type::MAP) {
    auto* maps = static_cast<arrow::MapBuilder*>(builder);
    SALVER_RETURN_NOT_OK(FromArrow(maps->Append()));
    for (const auto& [key, value] : std::map<std::string, Value>(map.val().begin(), map.val().end())) {
      SALVER_RETURN_NOT_OK(FromArrow(static_cast<arrow::StringBuilder*>(maps->key_builder())->Append(key)));
      SALVER_RETURN_NOT_OK(AppendMessage(value, maps->item_builder()));
    }
    return Status::OK();
  }
  if (builder->type()->id() != arrow::Type::STRUCT) return Misfit(*builder->type());
  auto* rows = static_cast<arrow::StructBuilder*>(builder);
  SALVER_RETURN_NOT_OK(FromArrow(rows->Append()));
  for (int i = 0; i < rows->num_fields(); ++i) {
    const auto found = map.val().find(rows->type()->field(i)->name());
    SALVER_RETURN_NOT_OK(
        AppendMessage(found == map.val().end() ? Value() : found->second, rows->field_builder(i)));
  }
  return Status::OK();
}

// A list whose elements are messages or scalars; `append` adds element i to the value builder.
template <typename Elements, typename Append>
Status AppendElements(const Elements& elements, arrow::ArrayBuilder* builder, Append append) {
  if (builder->type()->id() != arrow::Type::LIST) return Misfit(*builder->type());
  auto* lists = static_cast<arrow::ListBuilder*>(builder);
  SALVER_RETURN_NOT_OK(FromArrow(lists->Append()));
  for (const auto& element : elements) SALVER_RETURN_NOT_OK(append(element, lists->value_builder()));
  return Status::OK();
}

Status AppendText(const std::string& text, arrow::ArrayBuilder* builder) {
  switch (builder->type()->id()) {
    case arrow::Type::STRING:
      return FromArrow(static_cast<arrow::StringBuilder*>(builder)->Append(text));
    case arrow::Type::BINARY:
      return FromArrow(static_cast<arrow::BinaryBuilder*>(builder)->Append(text));
    case arrow::Type::LARGE_STRING:
      return FromArrow(static_cast<arrow::LargeStringBuilder*>(builder)->Append(text));
    default:
      return Misfit(*builder->type());
  }
}

Status AppendInteger(int64_t value, arrow::ArrayBuilder* builder) {
  switch (builder->type()->id()) {
    case arrow::Type::BOOL:
      return FromArrow(static_cast<arrow::BooleanBuilder*>(builder)->Append(value != 0));
    case arrow::Type::INT32:
      return FromArrow(static_cast<arrow::Int32Builder*>(builder)->Append(static_cast<int32_t>(value)));
    case arrow::Type::INT64:
      return FromArrow(static_cast<arrow::Int64Builder*>(builder)->Append(value));
    case arrow::Type::STRING:
      return AppendText(std::to_string(value), builder);
    default:
      return Misfit(*builder->type());
  }
}

Status AppendReal(double value, arrow::ArrayBuilder* builder) {
  switch (builder->type()->id()) {
    case arrow::Type::FLOAT:
      return FromArrow(static_cast<arrow::FloatBuilder*>(builder)->Append(static_cast<float>(value)));
    case arrow::Type::DOUBLE:
      return FromArrow(static_cast<arrow::DoubleBuilder*>(builder)->Append(value));
    default:
      return Misfit(*builder->type());
  }
}

Status AppendSeconds(int64_t seconds, arrow::ArrayBuilder* builder) {
  if (builder->type()->id() != arrow::Type::TIMESTAMP) return Misfit(*builder->type());
  return FromArrow(static_cast<arrow::TimestampBuilder*>(builder)->Append(SecondsToMicros(seconds)));
}

Status AppendMessage(const Value& value, arrow::ArrayBuilder* builder) {
  const auto texts = [&](const auto& list) { return AppendElements(list.val(), builder, AppendText); };
  const auto integers = [&](const auto& list) { return AppendElements(list.val(), builder, AppendInteger); };
  const auto reals = [&](const auto& list) { return AppendElements(list.val(), builder, AppendReal); };
  const auto seconds = [&](const auto& list) { return AppendElements(list.val(), builder, AppendSeconds); };
  switch (value.val_case()) {
    case Value::VAL_NOT_SET:
    case Value::kNullVal:
      return FromArrow(builder->AppendNull());
    case Value::kBytesVal:
      return AppendText(value.bytes_val(), builder);
    case Value::kStringVal:
      return AppendText(value.string_val(), builder);
    case Value::kInt32Val:
      return AppendInteger(value.int32_val(), builder);
    case Value::kInt64Val:
      return AppendInteger(value.int64_val(), builder);
    case Value::kDoubleVal:
      return AppendReal(value.double_val(), builder);
    case Value::kFloatVal:
      return AppendReal(value.float_val(), builder);
    case Value::kBoolVal:
      return AppendInteger(value.bool_val(), builder);
    case Value::kUnixTimestampVal:
      return AppendSeconds(value.unix_timestamp_val(), builder);
    case Value::kJsonVal:
      return AppendText(value.json_val(), builder);
    case Value::kUuidVal:
      return AppendText(value.uuid_val(), builder);
    case Value::kTimeUuidVal:
      return AppendText(value.time_uuid_val(), builder);
    case Value::kDecimalVal:
      return AppendText(value.decimal_val(), builder);
    case Value::kBytesListVal:
      return texts(value.bytes_list_val());
    case Value::kStringListVal:
      return texts(value.string_list_val());
    case Value::kJsonListVal:
      return texts(value.json_list_val());
    case Value::kUuidListVal:
      return texts(value.uuid_list_val());
    case Value::kTimeUuidListVal:
      return texts(value.time_uuid_list_val());
    case Value::kDecimalListVal:
      return texts(value.decimal_list_val());
    case Value::kBytesSetVal:
      return texts(value.bytes_set_val());
    case Value::kStringSetVal:
      return texts(value.string_set_val());
    case Value::kUuidSetVal:
      return texts(value.uuid_set_val());
    case Value::kTimeUuidSetVal:
      return texts(value.time_uuid_set_val());
    case Value::kDecimalSetVal:
      return texts(value.decimal_set_val());
    case Value::kInt32ListVal:
      return integers(value.int32_list_val());
    case Value::kInt64ListVal:
      return integers(value.int64_list_val());
    case Value::kBoolListVal:
      return integers(value.bool_list_val());
    case Value::kInt32SetVal:
      return integers(value.int32_set_val());
    case Value::kInt64SetVal:
      return integers(value.int64_set_val());
    case Value::kBoolSetVal:
      return integers(value.bool_set_val());
    case Value::kDoubleListVal:
      return reals(value.double_list_val());
    case Value::kFloatListVal:
      return reals(value.float_list_val());
    case Value::kDoubleSetVal:
      return reals(value.double_set_val());
    case Value::kFloatSetVal:
      return reals(value.float_set_val());
    case Value::kUnixTimestampListVal:
      return seconds(value.unix_timestamp_list_val());
    case Value::kUnixTimestampSetVal:
      return seconds(value.unix_timestamp_set_val());
    case Value::kMapVal:
      return AppendMap(value.map_val(), builder);
    case Value::kStructVal:
      return AppendMap(value.struct_val(), builder);
    case Value::kMapListVal:
      return AppendElements(value.map_list_val().val(), builder, AppendMap);
    case Value::kStructListVal:
      return AppendElements(value.struct_list_val().val(), builder, AppendMap);
    case Value::kListVal:
      return AppendElements(value.list_val().val(), builder, AppendMessage);
    case Value::kSetVal:
      return AppendElements(value.set_val().val(), builder, AppendMessage);
    case Value::kZonedTimestampVal:
      return AppendSeconds(value.zoned_timestamp_val().unix_timestamp(), builder);
    case Value::kScalarMapVal:
      return AppendText(value.SerializeAsString(), builder);
  }
  return Misfit(*builder->type());
}

Status AppendCell(const OnlineCell& cell, ValueType type, arrow::ArrayBuilder* builder) {
  switch (cell.kind) {
    case OnlineCell::Kind::kNull:
      return FromArrow(builder->AppendNull());
    case OnlineCell::Kind::kReal:
      return AppendReal(cell.real, builder);
    case OnlineCell::Kind::kInteger:
      if (type != ValueType::kUnixTimestamp) return AppendInteger(cell.integer, builder);
      return FromArrow(static_cast<arrow::TimestampBuilder*>(builder)->Append(cell.integer));
    case OnlineCell::Kind::kBytes:
      break;
  }
  if (IsStringLike(type)) return AppendText(std::string(cell.bytes()), builder);
  Value value;
  if (!value.ParseFromArray(cell.bytes().data(), static_cast<int>(cell.bytes().size())))
    return Misfit(*builder->type());
  return AppendMessage(value, builder);
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> CellsToArray(std::span<const OnlineCell> cells, const Field& field) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  SALVER_RETURN_NOT_OK(FromArrow(arrow::MakeBuilder(arrow::default_memory_pool(),
                                                    ArrowType(field.type, field.struct_schema()), &builder)));
  for (const OnlineCell& cell : cells) SALVER_RETURN_NOT_OK(AppendCell(cell, field.type, builder.get()));
  std::shared_ptr<arrow::Array> array;
  SALVER_RETURN_NOT_OK(FromArrow(builder->Finish(&array)));
  return array;
}

}  // namespace salver
