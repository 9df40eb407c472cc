// Rows that somebody hands over, as the columns of a source that they are added to.
#pragma once

#include <memory>
#include <string>

#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class Schema;
class Table;
}  // namespace arrow

namespace salver {

// Exactly the source's columns, in its order and types; text maps fit structs. Errors: InvalidArgument
// (kMissingColumns, kBadFeatureValue) naming the column.
Result<std::shared_ptr<arrow::Table>> FitRows(const arrow::Table& rows,
                                              const std::shared_ptr<arrow::Schema>& schema,
                                              const DataSource& source);

}  // namespace salver
