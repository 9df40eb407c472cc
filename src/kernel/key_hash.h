// Join keys of rows as bytes, and as hashes so wide that two keys with the same one are the same key.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/large_vector.h"

namespace arrow {
class Array;
}

namespace salver {

// The bytes of a row's key in `key`, different for different keys; false when a column is null.
//   columns  one array per join key, of ArrowType(its type).
bool KeyBytes(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t row, std::string* key);

// 128 bits: of 2^40 keys two have the same with a chance of 2^-49. A key that is one whole number is hashed
// to `low` without loss, and `high` is 0.
struct KeyHash {
  uint64_t low, high;
  friend bool operator==(const KeyHash&, const KeyHash&) = default;
};

// The hashes of `rows` rows into `hashes`; `valid` is 0 where a column is null. No columns: all the same key.
void HashKeys(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows,
              LargeVector<KeyHash>* hashes, std::vector<uint8_t>* valid);

}  // namespace salver
