// Parquet files as one SourceReader.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/source_reader.h"

namespace salver {

// `paths` in the order of the source; at least one. Errors: NotFound, DataLoss, InvalidArgument
// (kBadSource) for files with different columns.
Result<std::unique_ptr<SourceReader>> OpenParquetSource(const DataSource& source,
                                                        const std::vector<std::string>& paths);

}  // namespace salver
