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
#include <vector>

#include "base/large_vector.h"
#include "salver/feature_view.h"
#include "salver/source_reader.h"

namespace arrow {
class Array;
}

namespace salver {

class KeyDictionary final : public NumberMap {
 public:
  // No join keys gives every row id 0 (entityless views). One that is an integer or a time is kept as a
  // number.
  explicit KeyDictionary(std::span<const Field> join_keys);

  // Ids of the rows of `columns`, adding what is new; -1 where any column is null.
  //   columns  one array per join key, of ArrowType(its type), all of length `rows`.
  std::vector<int32_t> Add(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows);
  // After the last Add: makes Find look up whole numbers that lie close together by position instead of by
  // hash.
  void Seal();
  // As Add, but -1 for a key that was never added; into `ids`, whose memory is used again.
  void Find(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows,
            LargeVector<int32_t>* ids) const;

  // Whether keys are kept as numbers; then Map gives what Find gives, -1 for a number that was never added.
  bool has_numbers() const { return numbers_; }
  void Map(const int32_t* numbers, size_t count, int32_t* ids) const override;
  void Map(const int64_t* numbers, size_t count, int32_t* ids) const override;

  int32_t size() const { return columns_ == 0 ? 1 : size_; }

  // True when columns of this type can be numbered: fixed-width scalars, text and bytes.
  static bool IsSupported(ValueType type);

 private:
  // An open-addressing table: a number is its own key, bytes are kept by hash and compared in bytes_.
  struct Slot {
    int64_t key = 0;
    int32_t id = -1;  // -1: empty
  };

  template <typename NumberOf>
  void AddNumbers(const arrow::Array& column, NumberOf number_of, std::vector<int32_t>* ids);
  template <typename T>
  void FindNumbers(const T* numbers, size_t count, int32_t* ids) const;
  size_t Bucket(int64_t key) const { return (static_cast<uint64_t>(key) * 0x9e3779b97f4a7c15ULL) >> shift_; }
  // The slot of the key, or the empty one where it belongs.
  size_t SlotOf(int64_t number) const;
  size_t SlotOf(int64_t hash, std::string_view bytes) const;
  std::string_view BytesOf(int32_t id) const;
  int32_t Take(size_t slot, int64_t key);
  void GrowIfFull();

  size_t columns_;
  bool numbers_ = false;
  int32_t size_ = 0;
  int shift_ = 64 - 4;
  std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << 4);
  std::vector<int32_t> dense_;  // id of number dense_first_ + i, or -1; empty: numbers lie too far apart
  int64_t dense_first_ = 0;
  std::string bytes_;
  std::vector<uint64_t> ends_;  // of each id in bytes_
};

}  // namespace salver
