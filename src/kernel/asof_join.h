// The point-in-time join: for every label (key, time t) the newest feature row of the same key with
//   t - ttl <= event <= t.
// Ties on event time go to the larger created time, then to the later row of the source, so the answer never
// depends on threads. The rule is that of salver/write_rule.h; held by test/cases/pit/*.test and a
// brute-force oracle.
//
// Feature rows pass by in any order and none is kept. A row is first seen by one label of its key, the oldest
// at or after it, and there it stays if it is the newest so far. In the end each label takes what lies newest
// on it and on the labels before it. So the join needs memory for labels, however many rows there are.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "base/large_vector.h"
#include "kernel/label_index.h"
#include "salver/status.h"

namespace salver {

// Rows of a part of a source, in source order; columns of equal length.
struct JoinRows {
  int64_t first_position = 0;         // row number of the part's first in the source
  std::span<const int32_t> keys;      // id of KeyDictionary; -1: nobody asks for it
  std::span<const int64_t> event_us;  // kNoTime: never visible
  std::span<const int64_t>
      created_us;                  // kNoCreatedTime where there is none; empty: the source has no such column
  std::span<const uint32_t> rows;  // where in the part each stands, ascending; empty: one after another
};

// For labels that all see rows by the same rule. Thread safety: Add from any thread; Finish after all of
// them.
class AsofJoin {
 public:
  struct Options {
    // Rows created after a label are not seen by it.
    bool created_cut = false;
    // The source has a created column.
    bool has_created = false;
    // The longest ttl that Finish will be asked for; 0: one without a bound.
    int64_t ttl_max_us = 0;
    // Whether calls of Add overlap.
    bool concurrent = true;
  };
  // Memory of one thread, used again by whatever join comes next.
  struct Memory {
    uint64_t join = 0;    // whose what follows is
    int64_t last_us = 0;  // no row from here on is older
    LargeVector<LabelIndex::Cursor> cursors;
  };

  // `labels` must outlive the join. Takes 16 bytes a label, 24 with created times.
  AsofJoin(const LabelIndex& labels, Options options);

  // Rows in the order of time cost about half of others, and most when a thread's parts come in that order
  // too.
  void Add(const JoinRows& rows, Memory* memory);

  // After the last Add, once: for each of `ttls_us` (0: no lower bound) the row number in the source for each
  // label, -1 where nothing matches.
  Result<std::vector<LargeVector<int64_t>>> Finish(std::span<const int64_t> ttls_us, int threads);

 private:
  // The newest row that a label is the first to see.
  struct Slot {
    int64_t event_us, position;
  };
  // A row and the label that is the first to see it.
  struct Seen {
    uint32_t slot, row;
  };
  static constexpr size_t kBlock = 128;  // rows that wait for memory together

  bool TakesCursors(const JoinRows& rows, Memory* memory) const;
  size_t See(const JoinRows& rows, size_t begin, size_t end, std::span<Seen, kBlock> seen) const;
  size_t SeeInOrder(const JoinRows& rows, size_t begin, size_t end, LabelIndex::Cursor* cursors,
                    std::span<Seen, kBlock> seen) const;
  template <bool kConcurrent>
  void AddRows(const JoinRows& rows, LabelIndex::Cursor* cursors);
  template <bool kConcurrent>
  void Offer(size_t slot, Slot row, int64_t created_us);
  bool IsNewer(const Slot& row, int64_t created_us, size_t slot) const;
  void HandOn(int32_t first_key, int32_t last_key);

  static uint64_t NextId();

  const uint64_t id_ = NextId();  // never given again: another join may come to lie where this one lies
  const LabelIndex& labels_;
  const Options options_;
  LargeVector<Slot> slots_;
  LargeVector<int64_t> created_us_;  // of the rows in slots_; empty: the source has none

  // Guard slots against each other's threads: slot i has locks_[i / 64 % size].
  struct alignas(64) Lock {
    std::atomic_flag taken;
  };
  std::array<Lock, 256> locks_;
};

}  // namespace salver
