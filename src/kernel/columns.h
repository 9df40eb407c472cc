// Columns of a file as the kernels want them, beside the casts that all engines share (salver/columns.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/large_vector.h"
#include "salver/columns.h"
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

// A timestamp column (any unit, any zone) as UTC microseconds; `null_value` where null.
Result<LargeVector<int64_t>> TimesOf(const arrow::ChunkedArray& column, int64_t null_value,
                                     const std::string& what);
// The same into memory that is there.
Status TimesInto(const arrow::ChunkedArray& column, int64_t null_value, const std::string& what,
                 LargeVector<int64_t>* values);

}  // namespace salver
