#include "kernel/asof_join.h"

#include <algorithm>
#include <numeric>

#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {

AsofIndex::AsofIndex(BuildRows rows, int32_t key_count) : starts_(static_cast<size_t>(key_count) + 1, 0) {
  const size_t count = rows.keys.size();
  for (const int32_t key : rows.keys) ++starts_[static_cast<size_t>(key) + 1];
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
  // A stable counting sort by key: rows of one key stay in source order.
  std::vector<uint32_t> order(count);
  std::vector<size_t> next(starts_.begin(), starts_.end() - 1);
  for (size_t i = 0; i < count; ++i)
    order[next[static_cast<size_t>(rows.keys[i])]++] = static_cast<uint32_t>(i);
  const bool has_created = !rows.created_us.empty();
  const auto created = [&](uint32_t i) { return has_created ? rows.created_us[i] : kNoCreatedTime; };
  const auto earlier = [&](uint32_t a, uint32_t b) {
    return rows.event_us[a] != rows.event_us[b] ? rows.event_us[a] < rows.event_us[b]
                                                : created(a) < created(b);
  };
  for (size_t key = 0; key + 1 < starts_.size(); ++key) {
    const auto first = order.begin() + static_cast<ptrdiff_t>(starts_[key]);
    const auto last = order.begin() + static_cast<ptrdiff_t>(starts_[key + 1]);
    if (!std::is_sorted(first, last, earlier)) std::stable_sort(first, last, earlier);
  }
  event_us_.resize(count);
  positions_.resize(count);
  if (has_created) created_us_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    event_us_[i] = rows.event_us[order[i]];
    positions_[i] = rows.positions[order[i]];
    if (has_created) created_us_[i] = rows.created_us[order[i]];
  }
}

int64_t AsofIndex::CreatedAt(size_t i) const {
  return created_us_.empty() ? kNoCreatedTime : created_us_[i];
}

std::vector<int64_t> AsofIndex::Join(std::span<const int32_t> keys, std::span<const int64_t> times,
                                     int64_t ttl_us, bool created_cut) const {
  std::vector<int64_t> answers(keys.size(), -1);
  for (size_t row = 0; row < keys.size(); ++row) {
    if (keys[row] < 0 || times[row] == kNoTime) continue;
    const size_t begin = starts_[static_cast<size_t>(keys[row])],
                 end = starts_[static_cast<size_t>(keys[row]) + 1];
    const auto after = std::upper_bound(event_us_.begin() + static_cast<ptrdiff_t>(begin),
                                        event_us_.begin() + static_cast<ptrdiff_t>(end), times[row]);
    size_t at = static_cast<size_t>(after - event_us_.begin());
    // The last row at or before t is the newest; under the cut, the last of those that existed at t.
    while (created_cut && at > begin && CreatedAt(at - 1) > times[row]) --at;
    if (at > begin && IsVisible(event_us_[at - 1], times[row], ttl_us)) answers[row] = positions_[at - 1];
  }
  return answers;
}

}  // namespace salver
