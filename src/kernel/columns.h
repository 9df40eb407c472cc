// Columns of a file as the kernels want them: one array, of Salver's Arrow type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/large_vector.h"
#include "salver/feature_view.h"
#include "salver/status.h"

namespace arrow {
class Array;
class ChunkedArray;
class DataType;
}  // namespace arrow

namespace salver {

// True when CastColumn can read a column of type `from` as `to`, values permitting. For checking a plan
// before it runs.
bool CanCast(const arrow::DataType& from, const Field& to);

// `column` as one array of ArrowType(field): numbers cast where no value is lost, timestamps to UTC
// microseconds (finer digits are cut, no zone means UTC). Nested columns keep the source's own nested type.
// Errors: InvalidArgument naming `what`, both types, and the value that does not fit.
Result<std::shared_ptr<arrow::Array>> CastColumn(const arrow::ChunkedArray& column, const Field& field,
                                                 const std::string& what);

// As CastColumn for a join key of the entity rows, which come from anywhere: text that is a whole number is
// one too. Errors: InvalidArgument (kBadKeyValue) naming `what`, the first row that does not fit, its value,
// and `reason`: "feature view \"driver_stats\" joins on INT64".
Result<std::shared_ptr<arrow::Array>> CastKeyColumn(const arrow::ChunkedArray& column, const Field& field,
                                                    const std::string& what, const std::string& reason);

// A column of moments (timestamps of any unit and zone, dates, ISO 8601 text) as timestamp[us, UTC].
// Errors: InvalidArgument (kBadTimestamp) naming `what`, and the row for text that is no time.
Result<std::shared_ptr<arrow::Array>> CastTimeColumn(const arrow::ChunkedArray& column,
                                                     const std::string& what);

// A timestamp column (any unit, any zone) as UTC microseconds; `null_value` where null.
Result<LargeVector<int64_t>> TimesOf(const arrow::ChunkedArray& column, int64_t null_value,
                                     const std::string& what);
// The same into memory that is there.
Status TimesInto(const arrow::ChunkedArray& column, int64_t null_value, const std::string& what,
                 LargeVector<int64_t>* values);

}  // namespace salver
