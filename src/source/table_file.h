// Whole tables as files, by suffix: .parquet, .csv, .json (an object a line), .arrow (IPC file).
#pragma once

#include <memory>
#include <string>

#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// Errors: NotFound, InvalidArgument (unknown suffix: names those there are; unreadable content).
Result<std::shared_ptr<arrow::Table>> ReadTableFile(const std::string& path);

// .parquet, .csv or .arrow. The file appears whole: it is written beside its name and renamed.
Status WriteTableFile(const arrow::Table& table, const std::string& path);

Result<std::string> TableAsCsv(const arrow::Table& table);

}  // namespace salver
