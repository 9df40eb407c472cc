// Whole tables as files, by suffix: .parquet, .csv, .json (an object a line), .arrow (IPC file or stream),
// and the other suffixes of those formats (FormatOfSuffix).
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// Errors: NotFound, DataLoss, InvalidArgument (unknown suffix: names those there are; unreadable content).
Result<std::shared_ptr<arrow::Table>> ReadTableFile(const std::string& path);

// Parquet, CSV or Arrow. The file appears whole and survives power loss once this returned OK: it is written
// beside its name, synced and renamed. After an error `path` is as it was and nothing else is left.
Status WriteTableFile(const arrow::Table& table, const std::string& path, Files* files = Files::System());
// The first half of it: a synced file at `path`, in the format of `format_path`'s suffix.
Status WriteSyncedTable(const arrow::Table& table, const std::string& path, const std::string& format_path,
                        Files* files);

Result<std::string> TableAsCsv(const arrow::Table& table);

}  // namespace salver
