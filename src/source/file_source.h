// A file source as a SourceReader: one Parquet file, a folder of them, or a glob (*.parquet).
#pragma once

#include <memory>
#include <string>

#include "salver/data_source.h"
#include "salver/offline_store.h"
#include "salver/source_reader.h"
#include "salver/status.h"

namespace salver {

// Relative paths start at `folder`. Row groups take their time range from the statistics of the source's
// timestamp_field. Errors: NotFound, DataLoss, InvalidArgument (kBadSource): not Parquet, files with
// different schemas, no file.
//         Unimplemented for formats that have no reader in this build.
Result<std::unique_ptr<SourceReader>> OpenFileSource(const DataSource& source, const std::string& folder,
                                                     const SourceNeeds& needs);

}  // namespace salver
