// Parquet files as one SourceReader.
#pragma once

#include <memory>

#include "salver/data_source.h"
#include "salver/source_reader.h"
#include "source/file_list.h"

namespace salver {

// Errors: NotFound, DataLoss, InvalidArgument (kBadSource) for files with different columns.
Result<std::unique_ptr<SourceReader>> OpenParquetSource(const DataSource& source, const FileList& files);

}  // namespace salver
