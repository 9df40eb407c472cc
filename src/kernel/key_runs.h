// Rows of a source as runs: grouped by key, each key's rows in time order. What window aggregates go through.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/large_vector.h"
#include "salver/status.h"

namespace salver {

// Thread safety: immutable once made.
class KeyRuns {
 public:
  // A run of rows: slots [begin, end) of the columns below.
  struct Run {
    size_t begin, end;
  };
  Run run(size_t key) const { return {starts_[key], starts_[key + 1]}; }
  size_t key_count() const { return starts_.size() - 1; }
  size_t row_count() const { return starts_.back(); }

  // A value a slot.
  std::span<const int64_t> event_us() const { return event_us_; }
  std::span<const int64_t> created_us() const { return created_us_; }  // empty: the source has none
  std::span<const int64_t> values(size_t column) const {
    return std::span(values_[column]).first(row_count());
  }

 private:
  friend class KeyRunsBuilder;
  void SortRun(size_t begin, size_t end);
  bool IsEarlier(size_t a, size_t b) const;

  std::vector<size_t> starts_ = {0};
  LargeVector<int64_t> event_us_, created_us_;
  std::vector<LargeVector<int64_t>> values_;  // may be longer than there are rows
};

// Makes KeyRuns of rows that come in parts, in these steps: fill the parts, Place, fill columns of values,
// Finish. Within a key rows lie by event time, then created time, then their place in the source, so the
// order never depends on threads. Each row's memory is touched once a column: a column that is in order by
// then serves as the next one's memory.
class KeyRunsBuilder {
 public:
  // A part of the source, in source order. Its rows are written from the first on; memory of those that are
  // not written is not touched.
  struct Part {
    std::span<uint32_t> keys;  // ids of KeyDictionary, which are 0 or more
    std::span<int64_t> event_us, created_us;
  };

  // `rooms`: how many rows each part has at most.
  KeyRunsBuilder(std::span<const size_t> rooms, bool has_created);

  // Parts may be filled by several threads, each by one.
  Part part(size_t i);
  void SetRows(size_t i, size_t count) { parts_[i].rows = count; }

  // Finds the slot of every row; ids are below `key_count`. O(rows + keys), shared out to `threads` threads.
  // Afterwards the parts are gone. Errors: ResourceExhausted from 2^32 rows on.
  Status Place(int32_t key_count, int threads);
  // The slots of a part's rows.
  std::span<const uint32_t> slots(size_t part) const;
  // A column of 8 bytes a slot, to be written before Finish; KeyRuns has it under the number of the call.
  std::span<int64_t> AddValues();

  // O(rows) when the rows of each key came in time order, else O(rows log rows).
  Result<KeyRuns> Finish(int threads);

 private:
  struct Rows {
    size_t first = 0, rows = 0;  // among all rooms
  };
  template <typename Use>
  void EachRow(size_t begin, size_t end, const Use& use) const;

  std::vector<Rows> parts_;
  LargeVector<uint32_t> keys_;  // then slots
  LargeVector<int64_t> event_us_, created_us_;
  std::vector<LargeVector<int64_t>> free_;  // columns that are in order elsewhere
  KeyRuns runs_;
};

}  // namespace salver
