#include "kernel/columns.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>

#include "base/arrow_status.h"

namespace salver {
namespace {

Result<std::shared_ptr<arrow::Array>> OneArray(const arrow::ChunkedArray& column, const std::string& what) {
  if (column.num_chunks() == 1) return column.chunk(0);
  if (column.num_chunks() == 0) return FromArrow(arrow::MakeEmptyArray(column.type()), what);
  return FromArrow(arrow::Concatenate(column.chunks()), what);
}

bool IsNested(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::MAP:
    case arrow::Type::STRUCT:
      return true;
    case arrow::Type::LIST:
      return IsNested(*type.field(0)->type()) || type.field(0)->type()->id() == arrow::Type::LIST;
    default:
      return false;
  }
}

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING;
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> CastColumn(const arrow::ChunkedArray& column, const Field& field,
                                                 const std::string& what) {
  SALVER_ASSIGN(auto array, OneArray(column, what));
  const auto wanted = ArrowType(field.type, field.struct_schema());
  if (array->type()->Equals(*wanted) || (IsNested(*wanted) && IsNested(*array->type()))) return array;
  // A number read from text would hide a wrong column; text from a number is what Feast does for STRING keys.
  const bool text_to_number =
      IsText(*array->type()) && IsFixedWidth(field.type) && field.type != ValueType::kUnixTimestamp;
  if (!text_to_number) {
    arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(wanted);
    options.allow_time_truncate = true;
    options.allow_float_truncate =
        field.type == ValueType::kFloat;  // double -> float rounds; that is what the type says
    auto cast = arrow::compute::Cast(*array, wanted, options);
    if (cast.ok()) return *cast;
    return Status::InvalidArgument(what + " holds " + array->type()->ToString() +
                                       ", which can not be read as " + ValueTypeName(field.type) + ": " +
                                       cast.status().message() +
                                       ". Change the feature's type, or the source.",
                                   Reason::kBadFeatureValue);
  }
  return Status::InvalidArgument(
      what + " holds " + array->type()->ToString() + ", but " + ValueTypeName(field.type) +
          " is needed. Change the type in the definition, or cast the column in the source.",
      Reason::kBadFeatureValue);
}

Result<std::vector<int64_t>> TimesOf(const arrow::ChunkedArray& column, int64_t null_value,
                                     const std::string& what) {
  if (column.type()->id() != arrow::Type::TIMESTAMP && column.type()->id() != arrow::Type::DATE32) {
    return Status::InvalidArgument(
        what + " holds " + column.type()->ToString() + ", not a timestamp. Write it as a timestamp column.",
        Reason::kBadTimestamp);
  }
  SALVER_ASSIGN(const auto array,
                CastColumn(column, Field{.name = "time", .type = ValueType::kUnixTimestamp}, what));
  const auto& times = static_cast<const arrow::TimestampArray&>(*array);
  std::vector<int64_t> values(static_cast<size_t>(times.length()));
  for (int64_t i = 0; i < times.length(); ++i) values[i] = times.IsNull(i) ? null_value : times.Value(i);
  return values;
}

}  // namespace salver
