#include "server/http/json_frame.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/arrow_status.h"
#include "base/clock.h"

namespace salver {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

struct Place {
  std::string_view column;
  size_t row;
};

Status BadValue(const Place& place, const element& value, const std::string& wanted) {
  std::string text = simdjson::minify(value);
  if (text.size() > 64) text = text.substr(0, 64) + "...";
  return Status::InvalidArgument("column \"" + std::string(place.column) + "\", row " + std::to_string(place.row) + ", holds " + text +
                                     ", which can not be read as " + wanted + ".",
                                 Reason::kBadFeatureValue);
}

Status Appended(const arrow::Status& status) { return FromArrow(status, "data frame"); }

bool ToReal(const element& value, double* real) {
  switch (value.type()) {
    case element_type::DOUBLE: *real = double(value); return true;
    case element_type::INT64: *real = static_cast<double>(int64_t(value)); return true;
    case element_type::UINT64: *real = static_cast<double>(uint64_t(value)); return true;
    case element_type::BOOL: *real = bool(value) ? 1 : 0; return true;
    case element_type::STRING: {
      const std::string_view text = value;
      if (text == "NaN" || text == "nan") return *real = std::nan(""), true;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *real);
      return error == std::errc() && end == text.data() + text.size();
    }
    default: return false;
  }
}

bool ToInteger(const element& value, int64_t* integer) {
  if (value.type() == element_type::INT64) return *integer = int64_t(value), true;
  if (value.type() == element_type::STRING) {
    const std::string_view text = value;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *integer);
    if (error == std::errc() && end == text.data() + text.size()) return true;
  }
  double real;
  if (!ToReal(value, &real) || !(std::abs(real) < 9.2e18)) return false;
  *integer = static_cast<int64_t>(std::trunc(real));
  return true;
}

Status AppendTime(const Place& place, const element& value, arrow::TimestampBuilder* builder) {
  if (value.is_string()) {
    const auto parsed = ParseTime(std::string_view(value));
    if (!parsed.ok()) return Status::InvalidArgument("column \"" + std::string(place.column) + "\", row " + std::to_string(place.row) + ": " + parsed.status().message(), Reason::kBadTimestamp);
    return Appended(builder->Append(parsed->micros));
  }
  double seconds;
  if (!ToReal(value, &seconds) || !(std::abs(seconds) < 9e12)) return BadValue(place, value, "a time");
  return Appended(builder->Append(static_cast<int64_t>(std::llround(seconds * 1e6))));
}

Status AppendElement(const Place& place, const element& value, arrow::ArrayBuilder* builder);

Status AppendText(const Place& place, const element& value, arrow::ArrayBuilder* builder) {
  // Anything that is no text is kept as its JSON: numbers in a string column, objects in a JSON column.
  std::string text = value.is_string() ? std::string(std::string_view(value)) : std::string(simdjson::minify(value));
  switch (builder->type()->id()) {
    case arrow::Type::STRING: return Appended(static_cast<arrow::StringBuilder*>(builder)->Append(text));
    case arrow::Type::LARGE_STRING: return Appended(static_cast<arrow::LargeStringBuilder*>(builder)->Append(text));
    case arrow::Type::BINARY: return Appended(static_cast<arrow::BinaryBuilder*>(builder)->Append(text));
    default: return BadValue(place, value, "text");
  }
}

Status AppendObject(const Place& place, const element& value, arrow::ArrayBuilder* builder) {
  simdjson::dom::object object;
  if (value.get(object)) return BadValue(place, value, "an object");
  if (builder->type()->id() == arrow::Type::MAP) {
    auto* map = static_cast<arrow::MapBuilder*>(builder);
    SALVER_RETURN_NOT_OK(Appended(map->Append()));
    for (const auto entry : object) {
      SALVER_RETURN_NOT_OK(Appended(static_cast<arrow::StringBuilder*>(map->key_builder())->Append(entry.key)));
      SALVER_RETURN_NOT_OK(AppendElement(place, entry.value, map->item_builder()));
    }
    return Status::OK();
  }
  auto* rows = static_cast<arrow::StructBuilder*>(builder);
  SALVER_RETURN_NOT_OK(Appended(rows->Append()));
  for (int i = 0; i < rows->num_fields(); ++i) {
    element child;
    if (object[rows->type()->field(i)->name()].get(child)) {
      SALVER_RETURN_NOT_OK(Appended(rows->field_builder(i)->AppendNull()));
    } else {
      SALVER_RETURN_NOT_OK(AppendElement(place, child, rows->field_builder(i)));
    }
  }
  return Status::OK();
}

Status AppendElement(const Place& place, const element& value, arrow::ArrayBuilder* builder) {
  if (value.is_null()) return Appended(builder->AppendNull());
  int64_t integer;
  double real;
  switch (builder->type()->id()) {
    case arrow::Type::BOOL:
      if (!ToInteger(value, &integer)) return BadValue(place, value, "a boolean");
      return Appended(static_cast<arrow::BooleanBuilder*>(builder)->Append(integer != 0));
    case arrow::Type::INT32:
      if (!ToInteger(value, &integer) || integer != static_cast<int32_t>(integer)) return BadValue(place, value, "a 32-bit integer");
      return Appended(static_cast<arrow::Int32Builder*>(builder)->Append(static_cast<int32_t>(integer)));
    case arrow::Type::INT64:
      if (!ToInteger(value, &integer)) return BadValue(place, value, "an integer");
      return Appended(static_cast<arrow::Int64Builder*>(builder)->Append(integer));
    case arrow::Type::FLOAT:
      if (!ToReal(value, &real)) return BadValue(place, value, "a number");
      return Appended(static_cast<arrow::FloatBuilder*>(builder)->Append(static_cast<float>(real)));
    case arrow::Type::DOUBLE:
      if (!ToReal(value, &real)) return BadValue(place, value, "a number");
      return Appended(static_cast<arrow::DoubleBuilder*>(builder)->Append(real));
    case arrow::Type::TIMESTAMP: return AppendTime(place, value, static_cast<arrow::TimestampBuilder*>(builder));
    case arrow::Type::LIST: {
      simdjson::dom::array array;
      if (value.get(array)) return BadValue(place, value, "a list");
      auto* list = static_cast<arrow::ListBuilder*>(builder);
      SALVER_RETURN_NOT_OK(Appended(list->Append()));
      for (const element item : array) SALVER_RETURN_NOT_OK(AppendElement(place, item, list->value_builder()));
      return Status::OK();
    }
    case arrow::Type::MAP:
    case arrow::Type::STRUCT: return AppendObject(place, value, builder);
    default: return AppendText(place, value, builder);
  }
}

// The type of a column that no field names: by its first value that is not null.
ValueType Guess(simdjson::dom::array values) {
  for (const element value : values) {
    switch (value.type()) {
      case element_type::NULL_VALUE: continue;
      case element_type::INT64: return ValueType::kInt64;
      case element_type::DOUBLE:
      case element_type::UINT64: return ValueType::kDouble;
      case element_type::BOOL: return ValueType::kBool;
      case element_type::STRING: return ParseTime(std::string_view(value)).ok() ? ValueType::kUnixTimestamp : ValueType::kString;
      default: return ValueType::kString;
    }
  }
  return ValueType::kString;
}

}  // namespace

Result<std::shared_ptr<arrow::Table>> TableFromJson(simdjson::dom::object frame, std::span<const Field> fields) {
  arrow::FieldVector schema;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  int64_t rows = -1;
  for (const auto entry : frame) {
    simdjson::dom::array values;
    if (entry.value.get(values)) {
      return Status::InvalidArgument("column \"" + std::string(entry.key) + "\" of the data frame is no list of values.", Reason::kBadFeatureValue);
    }
    const auto known = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == entry.key; });
    const ValueType type = known != fields.end() ? known->type : Guess(values);
    std::unique_ptr<arrow::ArrayBuilder> builder;
    SALVER_RETURN_NOT_OK(Appended(arrow::MakeBuilder(arrow::default_memory_pool(),
                                                     ArrowType(type, known != fields.end() ? known->struct_schema() : ""), &builder)));
    size_t row = 0;
    for (const element value : values) SALVER_RETURN_NOT_OK(AppendElement({entry.key, row++}, value, builder.get()));
    if (rows >= 0 && static_cast<int64_t>(row) != rows) {
      return Status::InvalidArgument("column \"" + std::string(entry.key) + "\" of the data frame has " + std::to_string(row) +
                                         " rows, the others have " + std::to_string(rows) + ". All need the same number.",
                                     Reason::kRaggedRows);
    }
    rows = static_cast<int64_t>(row);
    SALVER_ASSIGN(auto array, FromArrow(builder->Finish(), "data frame"));
    schema.push_back(arrow::field(std::string(entry.key), array->type()));
    columns.push_back(std::move(array));
  }
  return arrow::Table::Make(arrow::schema(std::move(schema)), columns, std::max<int64_t>(rows, 0));
}

}  // namespace salver
