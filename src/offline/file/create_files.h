// A source of files with exactly some rows: what saved datasets lie in.
#pragma once

#include <string>

#include "base/files.h"
#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// A path with a suffix is one file; any other a folder with one Parquet file, as Feast writes it. Only on
// this machine's disk. Errors: as OfflineStore::Create; AlreadyExists for a folder that holds other files,
// whatever `overwrite` says.
Status CreateFiles(const DataSource& source, const std::string& folder, const arrow::Table& rows,
                   bool overwrite, Files* files);
Status DropFiles(const DataSource& source, const std::string& folder, Files* files);

}  // namespace salver
