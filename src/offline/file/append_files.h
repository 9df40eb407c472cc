// Rows added to a source of files.
#pragma once

#include <string>

#include "base/files.h"
#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// A single file is replaced whole, so a reader sees it before or after; a folder gets a new file that is last
// in the order of names, a partitioned one such a file in each key=value folder that the rows name. Needs
// exactly the source's columns. One writer at a time: a lock file beside the source. Errors: as
// OfflineStore::Append.
Status AppendToFiles(const DataSource& source, const std::string& folder, const arrow::Table& rows,
                     Files* files);

}  // namespace salver
