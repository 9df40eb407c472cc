// The point-in-time join: for every probe row the newest build row of the same key with
//   t - ttl <= build.event <= t.
// Ties on event time go to the larger created time, then to the later build row, so the answer never depends
// on threads. The rule is that of salver/write_rule.h; held by test/cases/pit/*.test and a brute-force
// oracle.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/large_vector.h"
#include "kernel/key_runs.h"
#include "salver/status.h"

namespace salver {

// Build rows grouped by key and sorted by time; made once, asked by every view on the same source and keys.
// Thread safety: immutable once made.
class AsofIndex {
 public:
  // `parts` in source order, ids below `key_count`. O(M) when the rows of each key come in time order, else
  // O(M log M). Keys are shared out to `threads` threads.
  static Result<AsofIndex> Make(std::vector<BuildRows> parts, int32_t key_count, int threads);

  // Answers positions, -1 where nothing matches. O(N log M), no allocation.
  //   keys, times, positions  N each: ids (-1 matches nothing), UTC microseconds (kNoTime matches nothing),
  //   answers. ttl_us       0 means no lower bound. created_cut  build rows created after `t` are not seen.
  void Join(std::span<const int32_t> keys, std::span<const int64_t> times, int64_t ttl_us, bool created_cut,
            std::span<int64_t> positions) const;

  size_t row_count() const { return runs_.row_count(); }

 private:
  // The last row of [begin, end) at or before each time, or begin - 1: several searches at once, so that
  // their waits for memory overlap.
  static constexpr size_t kLanes = 16;
  struct Search {
    size_t begin, end;
    int64_t time;
  };
  void FindLast(std::span<const Search> searches, std::span<size_t> after) const;

  KeyRuns runs_;
};

}  // namespace salver
