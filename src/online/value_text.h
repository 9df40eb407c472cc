// The column value_text of Feast's tables.
#pragma once

#include <string>

#include "salver/online_rows.h"
#include "salver/value_type.h"

namespace salver {

// Strings as they are, numbers, True and False as Python writes them; everything else has none: false, and
// `text` is empty.
bool ValueText(const OnlineCell& cell, ValueType type, std::string* text);

}  // namespace salver
