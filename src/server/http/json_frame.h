// A data frame as Feast's clients send it, {"column": [values, ...], ...}, as an Arrow table.
#pragma once

#include <simdjson.h>

#include <memory>
#include <span>

#include "salver/feature_view.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// Columns named in `fields` take that type; others are read as what they hold (text, numbers, times that look it).
//   numbers    from numbers, text and booleans; a fraction is cut for an integer field, as Feast does
//   times      ISO 8601 text, or seconds since 1970
//   MAP, STRUCT  objects; lists and sets  arrays; null anywhere
// Errors: InvalidArgument (kRaggedRows, kBadFeatureValue) naming column and row.
Result<std::shared_ptr<arrow::Table>> TableFromJson(simdjson::dom::object frame, std::span<const Field> fields);

}  // namespace salver
