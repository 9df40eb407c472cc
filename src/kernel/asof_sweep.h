// The point-in-time join of asof_join.h over a source whose parts follow each other in time: no row of a part
// is older than a row of the part before it. Such rows need no index. Each part is gone through once, in time
// order, with the newest row of every key in an array, and labels take what stands there at their moment; the
// newest rows are handed on from part to part.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/large_vector.h"
#include "kernel/asof_join.h"
#include "salver/status.h"

namespace salver {

// Event times of a part, UTC microseconds, both included.
struct PartTimes {
  int64_t min_us, max_us;
};

// The rows of a part, in source order; columns of equal length.
struct SweepRows {
  int64_t first_position = 0;           // row number of the part's first in the source
  std::span<const int32_t> keys;        // id of KeyDictionary; -1: nobody asks for it
  std::span<const int64_t> event_us;    // kNoTime: never visible
  std::span<const int64_t> created_us;  // empty when the source has no such column
  std::span<const uint32_t> rows;       // where in the part each stands, ascending; empty: one after another
};

class AsofSweep {
 public:
  // Memory of one thread, used again from part to part.
  struct Memory {
    // Per key the number of its newest row in the part, from 1; 0: none. All 0 between parts, whatever sweep.
    LargeVector<uint32_t> newest;
    std::vector<uint32_t> order;
    std::vector<int32_t> keys;
    std::vector<int64_t> event_us, created_us;
  };

  // True when parts with these times can be swept. Rows of one moment in two parts can not when created times
  // decide between them.
  static bool CanSweep(std::span<const PartTimes> parts, bool has_created);

  //   keys, times  N labels, as AsofIndex::Join takes them; both outlive the sweep.
  //   ttls_us      V bounds, 0 for none; each has answers of its own.
  // Takes memory with the first part and gives all but the answers back with the last: 16 bytes a label, 16 a
  // key.
  AsofSweep(std::span<const int32_t> keys, std::span<const int64_t> times, int32_t key_count,
            std::vector<PartTimes> parts, std::vector<int64_t> ttls_us, int threads);

  // Every part once, in any order, from any thread. Rows of a part may come in any order, but fastest in that
  // of time. Errors: DataLoss  the part holds a time outside what PartTimes says of it.
  Status Add(size_t part, const SweepRows& rows, Memory* memory);

  // After the last part: row numbers in the source for each label, -1 where nothing matches.
  LargeVector<int64_t> TakeAnswers(size_t ttl) { return std::move(answers_[ttl]); }

 private:
  struct Label {
    int64_t time;
    int32_t key;
    uint32_t row;
  };
  struct Newest {
    int64_t position = -1, event_us = 0;
  };
  // What a part leaves to the parts after it, and what it needs of those before.
  struct PartEnd {
    struct Last {
      int32_t key;
      Newest newest;
    };
    bool added = false;
    std::vector<Last> newest;
    std::vector<Label> open;  // labels whose key has no row before them in the part
  };

  void Begin();
  void ShareOut();
  std::span<Label> LabelsOf(size_t part) {
    return std::span(labels_).subspan(starts_[part], starts_[part + 1] - starts_[part]);
  }
  template <bool kCreated>
  void Sweep(size_t part, const SweepRows& rows, std::span<const uint32_t> order, Memory* memory,
             PartEnd* end);
  void Answer(const Label& label, const Newest& newest);
  void HandOn(size_t part, PartEnd end);

  const std::span<const int32_t> keys_;
  const std::span<const int64_t> times_;
  const int32_t key_count_;
  const std::vector<PartTimes> parts_;
  const std::vector<int64_t> ttls_;
  const int threads_;
  std::once_flag begun_;
  LargeVector<Label> labels_;  // by part
  std::vector<size_t> starts_;
  std::vector<LargeVector<int64_t>> answers_;

  std::mutex mutex_;  // of what follows
  size_t next_ = 0;   // the first part that has not been handed on
  std::vector<PartEnd> ends_;
  LargeVector<Newest> newest_;  // per key, after the parts before next_
};

}  // namespace salver
