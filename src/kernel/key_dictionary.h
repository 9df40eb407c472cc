// Dense numbers for join keys: rows of one or more key columns become ids 0, 1, 2 ... in order of first
// appearance. Built from the entity rows, then asked by source rows, so that a source row whose key nobody
// wants is dropped before anything else is read of it.
//
// Thread safety: Find from any thread; Add from one at a time, not during Find.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace arrow {
class Array;
}

namespace salver {

class KeyDictionary {
 public:
  // `columns`: how many key columns a row has; 0 gives every row id 0 (entityless views).
  // `integers`: true when there is one column and it is int64 or timestamp (kept in a table of integers).
  KeyDictionary(size_t columns, bool integers) : columns_(columns), integers_(integers && columns == 1) {}

  // Ids of the rows of `columns`, adding what is new; -1 where any column is null. Arrays of equal length, of
  // the same types at every call. `rows` is that length (there may be no column to take it from).
  std::vector<int32_t> Add(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows) {
    return Ids(columns, rows, /*add=*/true);
  }
  // As Add, but -1 for a key that was never added.
  std::vector<int32_t> Find(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows) const {
    return const_cast<KeyDictionary*>(this)->Ids(columns, rows, /*add=*/false);
  }
  int32_t size() const {
    return columns_ == 0 ? 1
           : integers_   ? static_cast<int32_t>(by_integer_.size())
                         : static_cast<int32_t>(by_bytes_.size());
  }

 private:
  std::vector<int32_t> Ids(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows, bool add);

  struct BytesHash {
    using is_transparent = void;
    size_t operator()(std::string_view bytes) const;
  };
  struct IntegerHash {
    size_t operator()(int64_t value) const {
      return static_cast<uint64_t>(value) * 0x9e3779b97f4a7c15ULL >> 7;
    }
  };
  size_t columns_;
  bool integers_;
  std::unordered_map<int64_t, int32_t, IntegerHash> by_integer_;
  std::unordered_map<std::string, int32_t, BytesHash, std::equal_to<>> by_bytes_;
};

}  // namespace salver
