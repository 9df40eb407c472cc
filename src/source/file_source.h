// A file source as a SourceReader: one file, a folder of them, or a glob (*.parquet); Parquet, CSV, newline
// JSON or Arrow IPC; on this machine's disk, s3:// or gs://.
#pragma once

#include <memory>
#include <string>

#include "salver/data_source.h"
#include "salver/offline_store.h"
#include "salver/source_reader.h"
#include "salver/status.h"

namespace salver {

// Relative paths start at `folder`. Parquet's row groups take their time range from the statistics of the
// source's timestamp_field. The others are read into memory, the columns of `needs` only.
// Errors: NotFound, DataLoss, InvalidArgument (kBadSource): not of the format, files with different schemas,
// no file.
//         Unimplemented for formats that have no reader in this build.
Result<std::unique_ptr<SourceReader>> OpenFileSource(const DataSource& source, const std::string& folder,
                                                     const SourceNeeds& needs);

// Its columns, reading as little as the format allows.
Result<std::shared_ptr<arrow::Schema>> ReadFileSchema(const DataSource& source, const std::string& folder);

}  // namespace salver
