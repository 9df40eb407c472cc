// A filter on feature values as Feast's clients send it:
//   {"type": "gt", "key": "pages", "value": 10}          eq ne gt gte lt lte, in nin with a list
//   {"type": "and", "filters": [...]}                    or "or"
#pragma once

#include <string_view>

#include "salver/online_search.h"
#include "salver/status.h"

namespace salver {

// Errors: InvalidArgument that says what is wrong, with the nearest type.
Result<RowFilter> FilterFromJson(std::string_view json);

}  // namespace salver
