// Rows that are already in memory as a SourceReader.
#pragma once

#include <memory>
#include <string>

#include "salver/source_reader.h"

namespace arrow {
class Table;
}

namespace salver {

// Row groups are slices of at most 1 Mi rows, with the range of their event times when `event_column` is a
// timestamp column of the table. Columns of 4 and 8 bytes are read by their fixed width.
std::unique_ptr<SourceReader> NewTableReader(std::shared_ptr<arrow::Table> table,
                                             const std::string& event_column);

}  // namespace salver
