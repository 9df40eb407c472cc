#include "salver/value_type.h"

#include <arrow/type.h>
#include <simdjson.h>

#include <vector>

#include "base/nearest.h"

namespace salver {
namespace {

struct TypeName {
  ValueType type;
  const char* name;
};

constexpr TypeName kTypeNames[] = {
    {ValueType::kInvalid, "INVALID"},
    {ValueType::kBytes, "BYTES"},
    {ValueType::kString, "STRING"},
    {ValueType::kInt32, "INT32"},
    {ValueType::kInt64, "INT64"},
    {ValueType::kDouble, "DOUBLE"},
    {ValueType::kFloat, "FLOAT"},
    {ValueType::kBool, "BOOL"},
    {ValueType::kUnixTimestamp, "UNIX_TIMESTAMP"},
    {ValueType::kBytesList, "BYTES_LIST"},
    {ValueType::kStringList, "STRING_LIST"},
    {ValueType::kInt32List, "INT32_LIST"},
    {ValueType::kInt64List, "INT64_LIST"},
    {ValueType::kDoubleList, "DOUBLE_LIST"},
    {ValueType::kFloatList, "FLOAT_LIST"},
    {ValueType::kBoolList, "BOOL_LIST"},
    {ValueType::kUnixTimestampList, "UNIX_TIMESTAMP_LIST"},
    {ValueType::kNull, "NULL"},
    {ValueType::kMap, "MAP"},
    {ValueType::kMapList, "MAP_LIST"},
    {ValueType::kBytesSet, "BYTES_SET"},
    {ValueType::kStringSet, "STRING_SET"},
    {ValueType::kInt32Set, "INT32_SET"},
    {ValueType::kInt64Set, "INT64_SET"},
    {ValueType::kDoubleSet, "DOUBLE_SET"},
    {ValueType::kFloatSet, "FLOAT_SET"},
    {ValueType::kBoolSet, "BOOL_SET"},
    {ValueType::kUnixTimestampSet, "UNIX_TIMESTAMP_SET"},
    {ValueType::kPdfBytes, "PDF_BYTES"},
    {ValueType::kImageBytes, "IMAGE_BYTES"},
    {ValueType::kJson, "JSON"},
    {ValueType::kJsonList, "JSON_LIST"},
    {ValueType::kStruct, "STRUCT"},
    {ValueType::kStructList, "STRUCT_LIST"},
    {ValueType::kUuid, "UUID"},
    {ValueType::kTimeUuid, "TIME_UUID"},
    {ValueType::kUuidList, "UUID_LIST"},
    {ValueType::kTimeUuidList, "TIME_UUID_LIST"},
    {ValueType::kUuidSet, "UUID_SET"},
    {ValueType::kTimeUuidSet, "TIME_UUID_SET"},
    {ValueType::kValueList, "VALUE_LIST"},
    {ValueType::kValueSet, "VALUE_SET"},
    {ValueType::kDecimal, "DECIMAL"},
    {ValueType::kDecimalList, "DECIMAL_LIST"},
    {ValueType::kDecimalSet, "DECIMAL_SET"},
    {ValueType::kScalarMap, "SCALAR_MAP"},
    {ValueType::kZonedTimestamp, "ZONED_TIMESTAMP"},
};

std::shared_ptr<arrow::DataType> StringMap() {
  return arrow::map(arrow::utf8(), arrow::utf8());
}

// {"name": "STRING", "age": "INT64"} -> struct<name: string, age: int64>; a string map when it is not
// readable.
std::shared_ptr<arrow::DataType> StructType(std::string_view schema) {
  if (schema.empty()) return StringMap();
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(schema.data(), schema.size()).get_object().get(object) != simdjson::SUCCESS)
    return StringMap();
  arrow::FieldVector fields;
  for (const auto field : object) {
    std::string_view name;
    if (field.value.get_string().get(name) != simdjson::SUCCESS) return StringMap();
    // Feast's names of types, which are those of the registry but for these two.
    const auto type = ValueTypeNamed(name == "FLOAT64" ? "DOUBLE" : name == "FLOAT32" ? "FLOAT" : name);
    if (!type.ok()) return StringMap();
    fields.push_back(arrow::field(std::string(field.key), ArrowType(*type, "")));
  }
  return fields.empty() ? StringMap() : arrow::struct_(std::move(fields));
}

Result<ValueType> ListOf(ValueType element) {
  switch (element) {
    case ValueType::kBytes:
      return ValueType::kBytesList;
    case ValueType::kString:
      return ValueType::kStringList;
    case ValueType::kInt32:
      return ValueType::kInt32List;
    case ValueType::kInt64:
      return ValueType::kInt64List;
    case ValueType::kDouble:
      return ValueType::kDoubleList;
    case ValueType::kFloat:
      return ValueType::kFloatList;
    case ValueType::kBool:
      return ValueType::kBoolList;
    case ValueType::kUnixTimestamp:
      return ValueType::kUnixTimestampList;
    case ValueType::kJson:
      return ValueType::kJsonList;
    case ValueType::kMap:
      return ValueType::kMapList;
    case ValueType::kStruct:
      return ValueType::kStructList;
    default:
      return ValueType::kValueList;
  }
}

}  // namespace

const char* ValueTypeName(ValueType type) {
  for (const TypeName& entry : kTypeNames) {
    if (entry.type == type) return entry.name;
  }
  return "INVALID";
}

Result<ValueType> ValueTypeNamed(std::string_view name) {
  std::vector<std::string> names;
  for (const TypeName& entry : kTypeNames) {
    if (name == entry.name) return entry.type;
    names.emplace_back(entry.name);
  }
  return Status::NotFound("\"" + std::string(name) + "\" is not a value type." +
                          NearestNameHint(name, names));
}

bool IsStringLike(ValueType type) {
  switch (type) {
    case ValueType::kString:
    case ValueType::kBytes:
    case ValueType::kJson:
    case ValueType::kUuid:
    case ValueType::kTimeUuid:
    case ValueType::kDecimal:
    case ValueType::kPdfBytes:
    case ValueType::kImageBytes:
      return true;
    default:
      return false;
  }
}

bool IsKeyType(ValueType type) {
  switch (type) {
    case ValueType::kString:
    case ValueType::kBytes:
    case ValueType::kInt32:
    case ValueType::kInt64:
    case ValueType::kUnixTimestamp:
      return true;
    default:
      return false;
  }
}

ValueType ElementType(ValueType type) {
  switch (type) {
    case ValueType::kBytesList:
    case ValueType::kBytesSet:
      return ValueType::kBytes;
    case ValueType::kStringList:
    case ValueType::kStringSet:
      return ValueType::kString;
    case ValueType::kInt32List:
    case ValueType::kInt32Set:
      return ValueType::kInt32;
    case ValueType::kInt64List:
    case ValueType::kInt64Set:
      return ValueType::kInt64;
    case ValueType::kDoubleList:
    case ValueType::kDoubleSet:
      return ValueType::kDouble;
    case ValueType::kFloatList:
    case ValueType::kFloatSet:
      return ValueType::kFloat;
    case ValueType::kBoolList:
    case ValueType::kBoolSet:
      return ValueType::kBool;
    case ValueType::kUnixTimestampList:
    case ValueType::kUnixTimestampSet:
      return ValueType::kUnixTimestamp;
    case ValueType::kJsonList:
      return ValueType::kJson;
    case ValueType::kUuidList:
    case ValueType::kUuidSet:
      return ValueType::kUuid;
    case ValueType::kTimeUuidList:
    case ValueType::kTimeUuidSet:
      return ValueType::kTimeUuid;
    case ValueType::kDecimalList:
    case ValueType::kDecimalSet:
      return ValueType::kDecimal;
    default:
      return ValueType::kInvalid;
  }
}

bool IsSet(ValueType type) {
  switch (type) {
    case ValueType::kBytesSet:
    case ValueType::kStringSet:
    case ValueType::kInt32Set:
    case ValueType::kInt64Set:
    case ValueType::kDoubleSet:
    case ValueType::kFloatSet:
    case ValueType::kBoolSet:
    case ValueType::kUnixTimestampSet:
    case ValueType::kUuidSet:
    case ValueType::kTimeUuidSet:
    case ValueType::kValueSet:
    case ValueType::kDecimalSet:
      return true;
    default:
      return false;
  }
}

std::shared_ptr<arrow::DataType> ArrowType(ValueType type, std::string_view struct_schema) {
  switch (type) {
    case ValueType::kBool:
      return arrow::boolean();
    case ValueType::kInt32:
      return arrow::int32();
    case ValueType::kInt64:
      return arrow::int64();
    case ValueType::kFloat:
      return arrow::float32();
    case ValueType::kDouble:
      return arrow::float64();
    case ValueType::kUnixTimestamp:
    case ValueType::kZonedTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case ValueType::kString:
    case ValueType::kUuid:
    case ValueType::kTimeUuid:
    case ValueType::kDecimal:
      return arrow::utf8();
    case ValueType::kJson:
      return arrow::large_utf8();
    case ValueType::kBytes:
    case ValueType::kPdfBytes:
    case ValueType::kImageBytes:
    case ValueType::kScalarMap:
      return arrow::binary();
    case ValueType::kMap:
      return StringMap();
    case ValueType::kMapList:
      return arrow::list(StringMap());
    case ValueType::kStruct:
      return StructType(struct_schema);
    case ValueType::kStructList:
      return arrow::list(StructType(struct_schema));
    case ValueType::kValueList:
    case ValueType::kValueSet:
      return arrow::list(arrow::list(arrow::utf8()));
    case ValueType::kInvalid:
    case ValueType::kNull:
      return arrow::null();
    default:
      return arrow::list(ArrowType(ElementType(type), ""));
  }
}

Result<ValueType> ValueTypeOfArrow(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return ValueType::kBool;
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
      return ValueType::kInt32;
    case arrow::Type::INT64:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return ValueType::kInt64;
    case arrow::Type::FLOAT:
      return ValueType::kFloat;
    case arrow::Type::DOUBLE:
      return ValueType::kDouble;
    case arrow::Type::TIMESTAMP:
      return ValueType::kUnixTimestamp;
    case arrow::Type::STRING:
      return ValueType::kString;
    case arrow::Type::LARGE_STRING:
      return ValueType::kJson;
    case arrow::Type::BINARY:
      return ValueType::kBytes;
    case arrow::Type::MAP:
      return ValueType::kMap;
    case arrow::Type::STRUCT:
      return ValueType::kStruct;
    case arrow::Type::NA:
      return ValueType::kNull;
    case arrow::Type::LIST:
    case arrow::Type::FIXED_SIZE_LIST: {
      SALVER_ASSIGN(const ValueType element, ValueTypeOfArrow(*type.field(0)->type()));
      return ListOf(element);
    }
    default:
      return Status::InvalidArgument(
          "Arrow type " + type.ToString() +
          " has no Feast type. Cast the column in the source to an integer, float, string, "
          "timestamp, list, map or struct.");
  }
}

}  // namespace salver
