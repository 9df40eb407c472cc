#include "kernel/asof_join.h"

#include <algorithm>
#include <array>

#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {

Result<AsofIndex> AsofIndex::Make(std::vector<BuildRows> parts, int32_t key_count, int threads) {
  AsofIndex index;
  SALVER_ASSIGN(index.runs_, KeyRuns::Make(parts, key_count, threads));
  return index;
}

// Binary searches in step: each step halves the rest of every search and asks memory for where the next one
// looks.
void AsofIndex::FindLast(std::span<const Search> searches, std::span<size_t> after) const {
  const int64_t* const events = runs_.event_us().data();
  size_t longest = 0;
  std::array<size_t, kLanes> count;
  for (size_t i = 0; i < searches.size(); ++i) {
    after[i] = searches[i].begin;
    count[i] = searches[i].end - searches[i].begin;
    longest = std::max(longest, count[i]);
    __builtin_prefetch(events + searches[i].begin + count[i] / 2);
  }
  for (; longest > 0; longest /= 2) {
    for (size_t i = 0; i < searches.size(); ++i) {
      if (count[i] == 0) continue;
      const size_t half = count[i] / 2;
      const bool right = events[after[i] + half] <= searches[i].time;
      after[i] = right ? after[i] + half + 1 : after[i];
      count[i] = right ? count[i] - half - 1 : half;
      __builtin_prefetch(events + after[i] + count[i] / 2);
    }
  }
}

void AsofIndex::Join(std::span<const int32_t> keys, std::span<const int64_t> times, int64_t ttl_us,
                     bool created_cut, std::span<int64_t> positions) const {
  const std::span<const int64_t> event_us = runs_.event_us(), created_us = runs_.created_us(),
                                 build_positions = runs_.positions();
  const bool cut = created_cut && !created_us.empty();
  std::array<Search, kLanes> searches;
  std::array<size_t, kLanes> rows, after;
  size_t lanes = 0;
  const auto answer = [&] {
    FindLast(std::span(searches).first(lanes), std::span(after).first(lanes));
    for (size_t i = 0; i < lanes; ++i) {
      const auto [begin, end, time] = searches[i];
      size_t at = after[i];
      // The last row at or before t is the newest; under the cut, the last of those that existed at t.
      while (cut && at > begin && created_us[at - 1] > time) --at;
      if (at > begin && IsVisible(event_us[at - 1], time, ttl_us))
        positions[rows[i]] = build_positions[at - 1];
    }
    lanes = 0;
  };
  for (size_t row = 0; row < keys.size(); ++row) {
    positions[row] = -1;
    if (row + kLanes < keys.size() && keys[row + kLanes] >= 0)
      __builtin_prefetch(runs_.run_address(static_cast<size_t>(keys[row + kLanes])));
    if (keys[row] < 0 || times[row] == kNoTime) continue;
    const auto [begin, end] = runs_.run(static_cast<size_t>(keys[row]));
    searches[lanes] = {begin, end, times[row]};
    rows[lanes++] = row;
    if (lanes == kLanes) answer();
  }
  answer();
}

}  // namespace salver
