// The keys that entity rows ask for, as a store is told of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "salver/status.h"

namespace arrow {
class Array;
class Table;
}  // namespace arrow

namespace salver {

// Each key once, in order of first appearance; rows without a key (id -1) have none.
//   columns  the key columns of N rows; ids  of a KeyDictionary, N; key_count  ids are below it.
Result<std::vector<std::shared_ptr<arrow::Array>>> DistinctKeys(
    std::span<const std::shared_ptr<arrow::Array>> columns, std::span<const int32_t> ids, int32_t key_count);

// The columns under these names.
std::shared_ptr<arrow::Table> KeyTable(std::span<const std::string> names,
                                       std::span<const std::shared_ptr<arrow::Array>> columns);

}  // namespace salver
