// Arrow -> Value, Value -> cell, cell -> Value.  The way to JSON is value_json.cc, the way back to Arrow
// value_array.cc.
#include "model/value_codec.h"

#include <arrow/array.h>

#include "base/clock.h"
#include "model/wire.h"

namespace salver {
namespace {

int64_t FloorSeconds(int64_t micros) {
  return micros / 1'000'000 - (micros % 1'000'000 < 0 ? 1 : 0);
}

int64_t TimestampMicros(const arrow::Array& array, int64_t row) {
  const int64_t value = static_cast<const arrow::TimestampArray&>(array).Value(row);
  switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {
    case arrow::TimeUnit::SECOND:
      return value * 1'000'000;
    case arrow::TimeUnit::MILLI:
      return value * 1000;
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return value / 1000 - (value % 1000 < 0 ? 1 : 0);
  }
  return value;
}

// Any integer, float or bool array read as T.
template <typename T>
bool NumberAt(const arrow::Array& array, int64_t row, T* value) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      *value = static_cast<const arrow::BooleanArray&>(array).Value(row);
      return true;
    case arrow::Type::INT8:
      *value = static_cast<const arrow::Int8Array&>(array).Value(row);
      return true;
    case arrow::Type::INT16:
      *value = static_cast<const arrow::Int16Array&>(array).Value(row);
      return true;
    case arrow::Type::INT32:
      *value = static_cast<const arrow::Int32Array&>(array).Value(row);
      return true;
    case arrow::Type::INT64:
      *value = static_cast<T>(static_cast<const arrow::Int64Array&>(array).Value(row));
      return true;
    case arrow::Type::UINT8:
      *value = static_cast<const arrow::UInt8Array&>(array).Value(row);
      return true;
    case arrow::Type::UINT16:
      *value = static_cast<const arrow::UInt16Array&>(array).Value(row);
      return true;
    case arrow::Type::UINT32:
      *value = static_cast<T>(static_cast<const arrow::UInt32Array&>(array).Value(row));
      return true;
    case arrow::Type::UINT64:
      *value = static_cast<T>(static_cast<const arrow::UInt64Array&>(array).Value(row));
      return true;
    case arrow::Type::FLOAT:
      *value = static_cast<T>(static_cast<const arrow::FloatArray&>(array).Value(row));
      return true;
    case arrow::Type::DOUBLE:
      *value = static_cast<T>(static_cast<const arrow::DoubleArray&>(array).Value(row));
      return true;
    default:
      return false;
  }
}

bool StringAt(const arrow::Array& array, int64_t row, std::string_view* value) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      *value = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      return true;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      *value = static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
      return true;
    default:
      return false;
  }
}

Status NoValueForm(const arrow::Array& array, ValueType type) {
  return Status::InvalidArgument("a column of Arrow type " + array.type()->ToString() +
                                     " can not be stored as " + ValueTypeName(type) +
                                     ". Cast it in the source, or change the feature's type.",
                                 Reason::kBadFeatureValue);
}

Status AppendUntyped(const arrow::Array& array, int64_t row, std::string* out, int depth);

uint32_t FieldNumber(ValueType type) {
  return static_cast<uint32_t>(type);
}  // Value's fields are numbered as the types

// The part of one scalar after its tag, in a packed list or alone. False when the array does not fit the
// type.
bool AppendScalarPayload(const arrow::Array& array, int64_t row, ValueType type, std::string* out) {
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64:
    case ValueType::kBool: {
      int64_t value;
      if (!NumberAt(array, row, &value)) return false;
      wire::AppendVarint(static_cast<uint64_t>(value), out);
      return true;
    }
    case ValueType::kDouble: {
      double value;
      if (!NumberAt(array, row, &value)) return false;
      wire::AppendFixed(value, out);
      return true;
    }
    case ValueType::kFloat: {
      float value;
      if (!NumberAt(array, row, &value)) return false;
      wire::AppendFixed(value, out);
      return true;
    }
    case ValueType::kUnixTimestamp:
      if (array.type_id() != arrow::Type::TIMESTAMP) return false;
      wire::AppendVarint(static_cast<uint64_t>(FloorSeconds(TimestampMicros(array, row))), out);
      return true;
    default:
      return false;
  }
}

wire::Type ScalarWireType(ValueType type) {
  if (type == ValueType::kDouble) return wire::kFixed64;
  if (type == ValueType::kFloat) return wire::kFixed32;
  return wire::kVarint;
}

// A list or set of scalars: Value{N: XList{1: elements}}; numbers packed, strings one by one.
Status AppendList(const arrow::Array& array, int64_t row, ValueType type, std::string* out) {
  if (array.type_id() != arrow::Type::LIST && array.type_id() != arrow::Type::FIXED_SIZE_LIST)
    return NoValueForm(array, type);
  std::shared_ptr<arrow::Array> elements;
  if (array.type_id() == arrow::Type::LIST) {
    elements = static_cast<const arrow::ListArray&>(array).value_slice(row);
  } else {
    elements = static_cast<const arrow::FixedSizeListArray&>(array).value_slice(row);
  }
  const ValueType element = ElementType(type);
  std::string body;
  for (int64_t i = 0; i < elements->length(); ++i) {
    if (IsStringLike(element)) {
      std::string_view text;  // a null string becomes "", as Feast writes it
      if (!elements->IsNull(i) && !StringAt(*elements, i, &text)) return NoValueForm(array, type);
      wire::AppendBytes(1, text, &body);
    } else if (elements->IsNull(i)) {
      return Status::InvalidArgument(std::string("a null inside a ") + ValueTypeName(type) +
                                         " can not be stored. Remove it, or use a list of strings.",
                                     Reason::kBadFeatureValue);
    } else if (!AppendScalarPayload(*elements, i, element, &body)) {
      return NoValueForm(array, type);
    }
  }
  std::string message;
  if (IsStringLike(element)) {
    message = std::move(body);
  } else if (!body.empty()) {
    wire::AppendBytes(1, body, &message);
  }
  wire::AppendBytes(FieldNumber(type), message, out);
  return Status::OK();
}

void AppendMapEntry(std::string_view key, std::string_view value, std::string* out) {
  std::string entry;
  wire::AppendBytes(1, key, &entry);
  wire::AppendBytes(2, value, &entry);
  wire::AppendBytes(1, entry, out);
}

// The body of a feast.types.Map: of an Arrow map with string keys, or of a struct.
Status AppendMapBody(const arrow::Array& array, int64_t row, std::string* out, int depth) {
  if (array.type_id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapArray&>(array);
    for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
      std::string_view key;
      if (!StringAt(*map.keys(), i, &key)) return NoValueForm(array, ValueType::kMap);
      std::string value;
      SALVER_RETURN_NOT_OK(AppendUntyped(*map.items(), i, &value, depth + 1));
      AppendMapEntry(key, value, out);
    }
    return Status::OK();
  }
  if (array.type_id() == arrow::Type::STRUCT) {
    const auto& rows = static_cast<const arrow::StructArray&>(array);
    for (int i = 0; i < rows.num_fields(); ++i) {
      std::string value;
      SALVER_RETURN_NOT_OK(AppendUntyped(*rows.field(i), row, &value, depth + 1));
      AppendMapEntry(rows.struct_type()->field(i)->name(), value, out);
    }
    return Status::OK();
  }
  return NoValueForm(array, ValueType::kMap);
}

Status AppendMapList(const arrow::Array& array, int64_t row, ValueType type, std::string* out, int depth) {
  if (array.type_id() != arrow::Type::LIST) return NoValueForm(array, type);
  const auto elements = static_cast<const arrow::ListArray&>(array).value_slice(row);
  std::string body;
  for (int64_t i = 0; i < elements->length(); ++i) {
    std::string map;
    if (!elements->IsNull(i)) SALVER_RETURN_NOT_OK(AppendMapBody(*elements, i, &map, depth + 1));
    wire::AppendBytes(1, map, &body);
  }
  wire::AppendBytes(FieldNumber(type), body, out);
  return Status::OK();
}

Status AppendValueList(const arrow::Array& array, int64_t row, ValueType type, std::string* out, int depth) {
  if (array.type_id() != arrow::Type::LIST) return NoValueForm(array, type);
  const auto elements = static_cast<const arrow::ListArray&>(array).value_slice(row);
  std::string body;
  for (int64_t i = 0; i < elements->length(); ++i) {
    std::string value;
    SALVER_RETURN_NOT_OK(AppendUntyped(*elements, i, &value, depth + 1));
    wire::AppendBytes(1, value, &body);
  }
  wire::AppendBytes(FieldNumber(type), body, out);
  return Status::OK();
}

Status AppendTyped(const arrow::Array& array, int64_t row, ValueType type, std::string* out, int depth) {
  if (array.IsNull(row)) return Status::OK();
  if (depth > kMaxValueDepth)
    return Status::InvalidArgument("a value is nested more than 32 deep.", Reason::kLimit);
  if (IsFixedWidth(type)) {
    const size_t start = out->size();
    wire::AppendTag(FieldNumber(type), ScalarWireType(type), out);
    if (AppendScalarPayload(array, row, type, out)) return Status::OK();
    out->resize(start);
    return NoValueForm(array, type);
  }
  if (IsStringLike(type)) {
    std::string_view text;
    if (!StringAt(array, row, &text)) return NoValueForm(array, type);
    // PDF_BYTES and IMAGE_BYTES exist in Feast's Python only; on the wire they are bytes.
    const bool bytes = type == ValueType::kPdfBytes || type == ValueType::kImageBytes;
    wire::AppendBytes(FieldNumber(bytes ? ValueType::kBytes : type), text, out);
    return Status::OK();
  }
  switch (type) {
    case ValueType::kMap:
    case ValueType::kStruct: {
      std::string body;
      SALVER_RETURN_NOT_OK(AppendMapBody(array, row, &body, depth));
      wire::AppendBytes(FieldNumber(type), body, out);
      return Status::OK();
    }
    case ValueType::kMapList:
    case ValueType::kStructList:
      return AppendMapList(array, row, type, out, depth);
    case ValueType::kValueList:
    case ValueType::kValueSet:
      return AppendValueList(array, row, type, out, depth);
    case ValueType::kScalarMap: {
      std::string_view bytes;  // the column holds the serialized Value itself
      if (!StringAt(array, row, &bytes)) return NoValueForm(array, type);
      out->append(bytes);
      return Status::OK();
    }
    case ValueType::kZonedTimestamp: {
      if (array.type_id() != arrow::Type::TIMESTAMP) return NoValueForm(array, type);
      std::string body;
      const int64_t seconds = FloorSeconds(TimestampMicros(array, row));
      if (seconds != 0) {
        wire::AppendTag(1, wire::kVarint, &body);
        wire::AppendVarint(static_cast<uint64_t>(seconds), &body);
      }
      wire::AppendBytes(2, "UTC", &body);
      wire::AppendBytes(FieldNumber(type), body, out);
      return Status::OK();
    }
    default:
      if (ElementType(type) == ValueType::kInvalid) return NoValueForm(array, type);
      return AppendList(array, row, type, out);
  }
}

// Values inside maps, structs and nested lists carry no declared type; Feast infers it: integers are int64.
Status AppendUntyped(const arrow::Array& array, int64_t row, std::string* out, int depth) {
  if (array.IsNull(row)) return Status::OK();
  SALVER_ASSIGN(ValueType type, ValueTypeOfArrow(*array.type()));
  if (type == ValueType::kInt32) type = ValueType::kInt64;
  if (type == ValueType::kInt32List) type = ValueType::kInt64List;
  if (type == ValueType::kFloat) type = ValueType::kDouble;
  if (type == ValueType::kJson) type = ValueType::kString;
  if (type == ValueType::kStruct) type = ValueType::kMap;
  return AppendTyped(array, row, type, out, depth);
}

Status Corrupt(ValueType type, const char* what) {
  return Status::DataLoss(std::string("a stored value of type ") + ValueTypeName(type) + " " + what + ".");
}

// What of Value's fields a column of `type` accepts.
bool Accepts(ValueType type, uint32_t field) {
  const ValueType stored = static_cast<ValueType>(field);
  if (stored == type) return true;
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64:
    case ValueType::kBool:
    case ValueType::kUnixTimestamp:
      return stored == ValueType::kInt32 || stored == ValueType::kInt64 || stored == ValueType::kBool ||
             stored == ValueType::kUnixTimestamp;
    case ValueType::kFloat:
    case ValueType::kDouble:
      return stored == ValueType::kFloat || stored == ValueType::kDouble || stored == ValueType::kInt64 ||
             stored == ValueType::kInt32;
    default:
      return IsStringLike(type) && IsStringLike(stored);
  }
}

}  // namespace

Status AppendValue(const arrow::Array& array, int64_t row, ValueType type, std::string* out) {
  return AppendTyped(array, row, type, out, 0);
}

Status CellOf(const arrow::Array& array, int64_t row, ValueType type, ByteArena* arena, OnlineCell* cell) {
  *cell = OnlineCell();
  if (array.IsNull(row)) return Status::OK();
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64:
    case ValueType::kBool: {
      int64_t value;
      if (!NumberAt(array, row, &value)) return NoValueForm(array, type);
      *cell = OnlineCell::Integer(value);
      return Status::OK();
    }
    case ValueType::kFloat:
    case ValueType::kDouble: {
      double value;
      if (!NumberAt(array, row, &value)) return NoValueForm(array, type);
      *cell = OnlineCell::Real(value);
      return Status::OK();
    }
    case ValueType::kUnixTimestamp:
      if (array.type_id() != arrow::Type::TIMESTAMP) return NoValueForm(array, type);
      *cell = OnlineCell::Integer(TimestampMicros(array, row));
      return Status::OK();
    default:
      break;
  }
  if (IsStringLike(type)) {
    std::string_view text;
    if (!StringAt(array, row, &text)) return NoValueForm(array, type);
    *cell = OnlineCell::Bytes(text);
    return Status::OK();
  }
  std::string value;
  SALVER_RETURN_NOT_OK(AppendTyped(array, row, type, &value, 0));
  *cell = OnlineCell::Bytes(arena->Copy(value));
  return Status::OK();
}

Status DecodeValue(std::string_view value, ValueType type, OnlineCell* cell) {
  *cell = OnlineCell();
  if (value.empty()) return Status::OK();
  wire::Reader reader(value);
  if (!reader.Next()) return Corrupt(type, "does not start with a field");
  if (reader.field() == static_cast<uint32_t>(ValueType::kNull)) return Status::OK();
  if (!Accepts(type, reader.field())) {
    return Corrupt(type, (std::string("holds ") + ValueTypeName(static_cast<ValueType>(reader.field())) +
                          ": the view's type has changed, materialize it again")
                             .c_str());
  }
  const bool timestamp = type == ValueType::kUnixTimestamp;
  // The wire type is that of the field; a cell of another kind than its column's would be read as what it is
  // not.
  const ValueType stored = static_cast<ValueType>(reader.field());
  if (reader.type() != (IsFixedWidth(stored) ? ScalarWireType(stored) : wire::kBytes))
    return Corrupt(type, "has a wire type that is not its field's");
  switch (reader.type()) {
    case wire::kVarint: {
      uint64_t number;
      if (!reader.Varint(&number)) return Corrupt(type, "ends inside a number");
      const int64_t integer = static_cast<int64_t>(number);
      if (type == ValueType::kFloat || type == ValueType::kDouble) {
        *cell = OnlineCell::Real(static_cast<double>(integer));
      } else {
        *cell = OnlineCell::Integer(timestamp ? SecondsToMicros(integer) : integer);
      }
      break;
    }
    case wire::kFixed64: {
      double real;
      if (!reader.Fixed(&real)) return Corrupt(type, "ends inside a number");
      *cell = OnlineCell::Real(real);
      break;
    }
    case wire::kFixed32: {
      float real;
      if (!reader.Fixed(&real)) return Corrupt(type, "ends inside a number");
      *cell = OnlineCell::Real(real);
      break;
    }
    case wire::kBytes: {
      std::string_view bytes;
      if (!reader.Bytes(&bytes)) return Corrupt(type, "ends inside its bytes");
      *cell = OnlineCell::Bytes(IsStringLike(type) ? bytes : value);
      break;
    }
  }
  if (!reader.done()) return Corrupt(type, "is followed by more bytes");
  return Status::OK();
}

void AppendCellValue(const OnlineCell& cell, ValueType type, std::string* out) {
  if (cell.null()) return;
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64:
    case ValueType::kBool:
      wire::AppendTag(FieldNumber(type), wire::kVarint, out);
      wire::AppendVarint(static_cast<uint64_t>(cell.integer), out);
      return;
    case ValueType::kUnixTimestamp:
      wire::AppendTag(FieldNumber(type), wire::kVarint, out);
      wire::AppendVarint(static_cast<uint64_t>(FloorSeconds(cell.integer)), out);
      return;
    case ValueType::kDouble:
      wire::AppendTag(FieldNumber(type), wire::kFixed64, out);
      wire::AppendFixed(cell.real, out);
      return;
    case ValueType::kFloat:
      wire::AppendTag(FieldNumber(type), wire::kFixed32, out);
      wire::AppendFixed(static_cast<float>(cell.real), out);
      return;
    case ValueType::kPdfBytes:
    case ValueType::kImageBytes:
      wire::AppendBytes(FieldNumber(ValueType::kBytes), cell.bytes(), out);
      return;
    default:
      if (IsStringLike(type)) {
        wire::AppendBytes(FieldNumber(type), cell.bytes(), out);
      } else {
        out->append(cell.bytes());
      }
  }
}

}  // namespace salver
