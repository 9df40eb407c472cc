// Columns of a file as the kernels want them: one array, of Salver's Arrow type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

// A timestamp column (any unit, any zone) as UTC microseconds; `null_value` where null.
Result<std::vector<int64_t>> TimesOf(const arrow::ChunkedArray& column, int64_t null_value,
                                     const std::string& what);

}  // namespace salver
