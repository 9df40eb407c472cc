// Feature values between their three forms: Arrow arrays (files, batches), feast.types.Value bytes (stores in
// Feast's layout) and OnlineCell (serving). No message object per value.
//
// Decoders are total: any bytes give a value or DataLoss, with nesting bounded by kMaxValueDepth.
// Thread safety: free functions on their arguments.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json_text.h"
#include "salver/feature_view.h"
#include "salver/online_rows.h"
#include "salver/status.h"

namespace arrow {
class Array;
}

namespace salver {

inline constexpr int kMaxValueDepth = 32;

// Appends the serialized feast.types.Value of array[row]; nothing for a null. `array` is of ArrowType(type)
// or, for nested types, of the source's own nested type. UNIX_TIMESTAMP becomes whole seconds, as in Feast.
// Errors: InvalidArgument for an Arrow type that has no Value form.
Status AppendValue(const arrow::Array& array, int64_t row, ValueType type, std::string* out);

// array[row] as a cell. Bytes point into `array`, or into `arena` where they had to be made.
Status CellOf(const arrow::Array& array, int64_t row, ValueType type, ByteArena* arena, OnlineCell* cell);

// The cell of a stored Value in a column of `type`; bytes point into `value`. Integers of either width and
// floats of either width fit each other's column, as Feast reads them.
Status DecodeValue(std::string_view value, ValueType type, OnlineCell* cell);

// The serialized feast.types.Value of a cell; nothing for a null.
void AppendCellValue(const OnlineCell& cell, ValueType type, std::string* out);

// Cells of one column as an array of ArrowType(field).
Result<std::shared_ptr<arrow::Array>> CellsToArray(std::span<const OnlineCell> cells, const Field& field);

// The cell as Feast's HTTP server writes it: numbers, strings (NaN and Infinity too), base64 for bytes, whole
// seconds for timestamps, arrays, objects, null.
void AppendJson(const OnlineCell& cell, ValueType type, std::string* out);
// The same of a null or a cell of a type with IsFixedWidth(type), into `to`, which has room for
// kJsonScalarMax characters; where it ended.
inline constexpr size_t kJsonScalarMax = 32;
char* WriteJsonScalar(const OnlineCell& cell, ValueType type, char* to);

}  // namespace salver
