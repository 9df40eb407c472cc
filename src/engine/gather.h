// The second pass over a source: the wanted columns of the row groups that hold wanted rows, and nothing
// else.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "salver/status.h"
#include "source/source_reader.h"

namespace arrow {
class ChunkedArray;
}

namespace salver {

// For each of `columns`, its values at the row numbers `positions` (any order, repeats allowed); null where
// -1.
Result<std::vector<std::shared_ptr<arrow::ChunkedArray>>> GatherColumns(
    SourceReader* reader, const std::vector<std::string>& columns, std::span<const int64_t> positions);

}  // namespace salver
