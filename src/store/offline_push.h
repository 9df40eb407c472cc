// Pushed rows added to the history of a file source.
#pragma once

#include <string>

#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// Appends `rows` to the source's Parquet file; the file is replaced whole, so a reader sees it before or after.
// Needs exactly the source's columns, in any order; values are cast to the file's types.
// Errors: InvalidArgument (kMissingColumns, kBadFeatureValue); FailedPrecondition for a source that is no single file.
Status AppendToSource(const DataSource& source, const std::string& folder, const arrow::Table& rows);

}  // namespace salver
