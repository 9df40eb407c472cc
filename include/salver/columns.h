// Columns of a source or of entity rows as features and keys: one array, of Salver's Arrow type. Every engine
// casts with these, so that all accept and refuse the same values in the same words.
#pragma once

#include <memory>
#include <string>

#include "salver/feature_view.h"
#include "salver/status.h"

namespace arrow {
class Array;
class ChunkedArray;
}  // namespace arrow

namespace salver {

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

}  // namespace salver
