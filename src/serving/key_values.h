// Entity values as callers write them -> the cells and the bytes of a join key.
#pragma once

#include <string>

#include "salver/feature_view.h"
#include "salver/online_request.h"
#include "salver/online_rows.h"
#include "salver/status.h"

namespace salver {

// The value as a cell of the key's type, by Feast's conversions: "1001", 1001.5 and true are 1001, 1001 and 1 for
// an integer key; numbers become text for a string key.
// Errors: InvalidArgument (kNullJoinKey, kBadKeyValue) naming column, row and value.
Result<OnlineCell> KeyCell(const EntityValue& value, ValueType type, std::string_view column, size_t row, ByteArena* arena);

// Appends the cell as an entity key stores it.
void AppendKeyCell(const OnlineCell& cell, ValueType type, std::string* key);

}  // namespace salver
