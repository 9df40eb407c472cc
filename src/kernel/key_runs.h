// Rows of a source as runs: grouped by key, each key's rows in time order. What the point-in-time join
// searches and what window aggregates go through.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/large_vector.h"
#include "salver/status.h"

namespace salver {

// Build rows that may be wanted, a part of the source in source order. Columns of equal length.
struct BuildRows {
  int64_t first_position = 0;  // row number in the source that `rows` count from
  LargeVector<int32_t> keys;   // id of KeyDictionary, 0 or more
  LargeVector<int64_t> event_us;
  LargeVector<int64_t>
      created_us;              // kNoCreatedTime where there is none; empty when the source has no such column
  LargeVector<uint32_t> rows;  // first_position + row is the row number in the source; empty: nobody asks
  // What else goes with the rows: columns of 8 bytes a row, as many in all parts.
  std::vector<LargeVector<uint64_t>> values;
};

// Thread safety: immutable once made.
class KeyRuns {
 public:
  // `parts` in source order, ids below `key_count`. O(M) when the rows of each key come in time order, else
  // O(M log M). Keys are shared out to `threads` threads. Within a key rows lie by event time, then created
  // time, then their place in the source, so the order never depends on threads.
  static Result<KeyRuns> Make(const std::vector<BuildRows>& parts, int32_t key_count, int threads);

  // A run of rows: slots [begin, end) of the columns below.
  struct Run {
    size_t begin, end;
  };
  Run run(size_t key) const { return {starts_[key], starts_[key + 1]}; }
  // Where run(key) is, for asking memory for it.
  const size_t* run_address(size_t key) const { return &starts_[key]; }
  size_t key_count() const { return starts_.size() - 1; }
  size_t row_count() const { return event_us_.size(); }

  // A value a slot.
  std::span<const int64_t> event_us() const { return event_us_; }
  std::span<const int64_t> created_us() const { return created_us_; }  // empty: the source has none
  std::span<const int64_t> positions() const {
    return positions_;
  }  // row numbers in the source, if asked for
  std::span<const uint64_t> values(size_t column) const { return values_[column]; }

 private:
  void Place(const std::vector<BuildRows>& parts, int32_t first_key, int32_t last_key);
  void SortRun(size_t begin, size_t end);
  bool IsEarlier(size_t a, size_t b) const;

  LargeVector<size_t> starts_;
  LargeVector<int64_t> event_us_, created_us_, positions_;
  std::vector<LargeVector<uint64_t>> values_;
};

}  // namespace salver
