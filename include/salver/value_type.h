// ValueType is Feast's type of a feature or join key; the numbers are those of feast.types.ValueType.Enum.
//
// Every type has one in-memory Arrow form (ArrowType) that readers produce, kernels carry, and stores accept.
// Times are microseconds since 1970 in UTC everywhere inside Salver; Feast's Value messages hold whole
// seconds. Source of the table: Feast 0.67, section 5 of its interface facts; held by
// src/model/value_type_test.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "salver/status.h"

namespace arrow {
class DataType;
}

namespace salver {

enum class ValueType : int {
  kInvalid = 0,
  kBytes = 1,
  kString = 2,
  kInt32 = 3,
  kInt64 = 4,
  kDouble = 5,
  kFloat = 6,
  kBool = 7,
  kUnixTimestamp = 8,
  kBytesList = 11,
  kStringList = 12,
  kInt32List = 13,
  kInt64List = 14,
  kDoubleList = 15,
  kFloatList = 16,
  kBoolList = 17,
  kUnixTimestampList = 18,
  kNull = 19,
  kMap = 20,
  kMapList = 21,
  kBytesSet = 22,
  kStringSet = 23,
  kInt32Set = 24,
  kInt64Set = 25,
  kDoubleSet = 26,
  kFloatSet = 27,
  kBoolSet = 28,
  kUnixTimestampSet = 29,
  kPdfBytes = 30,
  kImageBytes = 31,
  kJson = 32,
  kJsonList = 33,
  kStruct = 34,
  kStructList = 35,
  kUuid = 36,
  kTimeUuid = 37,
  kUuidList = 38,
  kTimeUuidList = 39,
  kUuidSet = 40,
  kTimeUuidSet = 41,
  kValueList = 42,
  kValueSet = 43,
  kDecimal = 44,
  kDecimalList = 45,
  kDecimalSet = 46,
  kScalarMap = 47,
  kZonedTimestamp = 48,
};

// "INT64", as in the registry; "INVALID" for a number that is not a type.
const char* ValueTypeName(ValueType type);
// The type of that name; NotFound with the nearest name otherwise.
Result<ValueType> ValueTypeNamed(std::string_view name);

// True for types whose value is one fixed-width slot: the integers, floats, BOOL and UNIX_TIMESTAMP.
constexpr bool IsFixedWidth(ValueType type) {
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64:
    case ValueType::kDouble:
    case ValueType::kFloat:
    case ValueType::kBool:
    case ValueType::kUnixTimestamp:
      return true;
    default:
      return false;
  }
}
// True for types whose value is one UTF-8 or byte string: STRING, BYTES, JSON, UUID, TIME_UUID, DECIMAL,
// PDF_BYTES, IMAGE_BYTES.
bool IsStringLike(ValueType type);
// True for types that may be a join key: STRING, BYTES, INT32, INT64, UNIX_TIMESTAMP (and BOOL, which Feast's
// entities may declare but its keys refuse: false).
bool IsKeyType(ValueType type);
// LIST or SET of what; kInvalid when `type` is no list or set of scalars (MAP_LIST, STRUCT_LIST,
// VALUE_LIST...).
ValueType ElementType(ValueType type);
bool IsSet(ValueType type);

// The Arrow form that Salver uses for `type`. Sets are lists. STRUCT, MAP and their lists:
//   MAP  map<string, string>;  MAP_LIST  list<map<string, string>>
//   STRUCT  `struct_schema` (the feature's tag "feast:struct_schema", JSON of name -> type name) decides;
//   without it map<string, string>. VALUE_LIST / VALUE_SET  list<list<string>> unless the source says
//   otherwise (the column's own type is kept). SCALAR_MAP  binary holding the serialized feast.types.Value.
//   ZONED_TIMESTAMP  timestamp[us, UTC].
std::shared_ptr<arrow::DataType> ArrowType(ValueType type, std::string_view struct_schema);

// The ValueType that Feast infers for a source column of this Arrow type.
// Errors: InvalidArgument for float16, date, time, decimal, duration, dictionary, large_list, large_binary:
//         the message names the type and says to cast it in the source.
Result<ValueType> ValueTypeOfArrow(const arrow::DataType& type);

}  // namespace salver
