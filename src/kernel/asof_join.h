// The point-in-time join: for every probe row the newest build row of the same key with
//   t - ttl <= build.event <= t.
// Ties on event time go to the larger created time, then to the later build row, so the answer never depends
// on threads. The rule is that of salver/write_rule.h; held by test/cases/pit/*.test and a brute-force
// oracle.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace salver {

// Build rows that may be wanted, in source order. Columns of equal length.
struct BuildRows {
  std::vector<int32_t> keys;  // id of KeyDictionary, 0 or more
  std::vector<int64_t> event_us;
  std::vector<int64_t>
      created_us;  // kNoCreatedTime where there is none; empty when the source has no such column
  std::vector<int64_t> positions;  // row number in the source: what the join answers
};

// A time that nothing is visible at: the event time of a label row that has none.
inline constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

// Build rows grouped by key and sorted by time; made once, asked by every view on the same source and keys.
// Thread safety: immutable once made.
class AsofIndex {
 public:
  // `key_count`: ids are below it. O(M) when rows are already in time order per key, else O(M log M).
  AsofIndex(BuildRows rows, int32_t key_count);

  // N positions, -1 where nothing matches. O(N log M).
  //   keys      ids, -1 matches nothing.    times  UTC microseconds; kNoTime matches nothing.
  //   ttl_us    0 means no lower bound.     created_cut  build rows created after `t` are not seen.
  std::vector<int64_t> Join(std::span<const int32_t> keys, std::span<const int64_t> times, int64_t ttl_us,
                            bool created_cut) const;

 private:
  int64_t CreatedAt(size_t i) const;

  std::vector<size_t> starts_;  // key k's rows are [starts_[k], starts_[k + 1])
  std::vector<int64_t> event_us_, created_us_, positions_;
};

}  // namespace salver
