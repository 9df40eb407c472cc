#include "kernel/columns.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>

#include "base/arrow_status.h"
#include "base/clock.h"

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

bool IsTime(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP || type.id() == arrow::Type::DATE32 ||
         type.id() == arrow::Type::DATE64;
}

// A number read from text would hide a wrong column; text from a number is what Feast does for STRING keys.
bool IsTextForNumber(const arrow::DataType& from, const Field& to) {
  return IsText(from) && IsFixedWidth(to.type);
}

arrow::compute::CastOptions OptionsFor(const std::shared_ptr<arrow::DataType>& wanted) {
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(wanted);
  options.allow_time_truncate = true;
  return options;
}

// The first row of `array` that does not cast to `wanted`; one must be there.
int64_t FirstMisfit(const arrow::Array& array, const std::shared_ptr<arrow::DataType>& wanted) {
  int64_t good = 0, bad = array.length();  // the first `good` rows fit, the first `bad` rows do not
  while (bad - good > 1) {
    const int64_t middle = good + (bad - good) / 2;
    const bool fits =
        arrow::compute::Cast(*array.Slice(good, middle - good), wanted, OptionsFor(wanted)).ok();
    (fits ? good : bad) = middle;
  }
  return good;
}

std::string ValueText(const arrow::Array& array, int64_t row) {
  const auto value = array.GetScalar(row);
  const std::string text = value.ok() ? (*value)->ToString() : "?";
  return IsText(*array.type()) ? "\"" + text + "\"" : text;
}

}  // namespace

bool CanCast(const arrow::DataType& from, const Field& to) {
  const auto wanted = ArrowType(to.type, to.struct_schema());
  if (from.Equals(*wanted) || (IsNested(*wanted) && IsNested(from))) return true;
  if (IsTextForNumber(from, to)) return false;
  if (IsNested(*wanted) != IsNested(from)) return false;
  return arrow::compute::CanCast(from, *wanted);
}

Result<std::shared_ptr<arrow::Array>> CastColumn(const arrow::ChunkedArray& column, const Field& field,
                                                 const std::string& what) {
  SALVER_ASSIGN(auto array, OneArray(column, what));
  const auto wanted = ArrowType(field.type, field.struct_schema());
  if (array->type()->Equals(*wanted) || (IsNested(*wanted) && IsNested(*array->type()))) return array;
  if (IsTextForNumber(*array->type(), field)) {
    return Status::InvalidArgument(
        what + " holds " + array->type()->ToString() + ", but " + ValueTypeName(field.type) +
            " is needed. Change the type in the definition, or cast the column in the source.",
        Reason::kBadFeatureValue);
  }
  auto cast = arrow::compute::Cast(*array, wanted, OptionsFor(wanted));
  if (cast.ok()) return *cast;
  return Status::InvalidArgument(what + " holds " + array->type()->ToString() +
                                     ", which can not be read as " + ValueTypeName(field.type) + ": " +
                                     cast.status().message() + ". Change the feature's type, or the source.",
                                 Reason::kBadFeatureValue);
}

Result<std::shared_ptr<arrow::Array>> CastKeyColumn(const arrow::ChunkedArray& column, const Field& field,
                                                    const std::string& what, const std::string& reason) {
  SALVER_ASSIGN(auto array, OneArray(column, what));
  const auto wanted = ArrowType(field.type, field.struct_schema());
  if (array->type()->Equals(*wanted)) return array;
  if (!arrow::compute::CanCast(*array->type(), *wanted)) {
    return Status::InvalidArgument(
        what + " holds " + array->type()->ToString() + "; " + reason + ". Convert the column first.",
        Reason::kBadKeyValue);
  }
  auto cast = arrow::compute::Cast(*array, wanted, OptionsFor(wanted));
  if (cast.ok()) return *cast;
  const int64_t row = FirstMisfit(*array, wanted);
  return Status::InvalidArgument(what + ", row " + std::to_string(row) + ", holds " +
                                     array->type()->ToString() + " " + ValueText(*array, row) + "; " +
                                     reason + ".",
                                 Reason::kBadKeyValue);
}

Result<std::shared_ptr<arrow::Array>> CastTimeColumn(const arrow::ChunkedArray& column,
                                                     const std::string& what) {
  const Field utc{.name = "time", .type = ValueType::kUnixTimestamp};
  if (IsTime(*column.type())) return CastColumn(column, utc, what);
  if (column.type()->id() != arrow::Type::STRING && column.type()->id() != arrow::Type::LARGE_STRING) {
    return Status::InvalidArgument(
        what + " holds " + column.type()->ToString() + ", not a timestamp. Write it as a timestamp column.",
        Reason::kBadTimestamp);
  }
  SALVER_ASSIGN(const auto text, CastColumn(column, Field{.name = "time", .type = ValueType::kString}, what));
  const auto& strings = static_cast<const arrow::StringArray&>(*text);
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  SALVER_RETURN_NOT_OK(FromArrow(times.Reserve(strings.length()), what));
  for (int64_t row = 0; row < strings.length(); ++row) {
    if (strings.IsNull(row)) {
      times.UnsafeAppendNull();
      continue;
    }
    const auto time = ParseTime(strings.GetView(row));
    if (!time.ok()) {
      return Status::InvalidArgument(what + ", row " + std::to_string(row) + ": " + time.status().message(),
                                     Reason::kBadTimestamp);
    }
    times.UnsafeAppend(time->micros);
  }
  return FromArrow(times.Finish(), what);
}

Result<LargeVector<int64_t>> TimesOf(const arrow::ChunkedArray& column, int64_t null_value,
                                     const std::string& what) {
  LargeVector<int64_t> values;
  SALVER_RETURN_NOT_OK(TimesInto(column, null_value, what, &values));
  return values;
}

Status TimesInto(const arrow::ChunkedArray& column, int64_t null_value, const std::string& what,
                 LargeVector<int64_t>* values) {
  if (!IsTime(*column.type())) {
    return Status::InvalidArgument(
        what + " holds " + column.type()->ToString() + ", not a timestamp. Write it as a timestamp column.",
        Reason::kBadTimestamp);
  }
  SALVER_ASSIGN(const auto array, CastTimeColumn(column, what));
  const auto& times = static_cast<const arrow::TimestampArray&>(*array);
  const int64_t* raw = times.raw_values();
  values->assign(raw, raw + times.length());
  if (times.null_count() == 0) return Status::OK();
  for (int64_t row = 0; row < times.length(); ++row) {
    if (times.IsNull(row)) (*values)[static_cast<size_t>(row)] = null_value;
  }
  return Status::OK();
}

}  // namespace salver
