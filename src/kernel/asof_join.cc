#include "kernel/asof_join.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/parallel.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {

// A counting sort by key. Threads own ranges of keys: each reads all ids and places the rows of its own keys,
// so that no two write the same place and the rows of a key stay in source order.
Result<AsofIndex> AsofIndex::Make(std::vector<BuildRows> parts, int32_t key_count, int threads) {
  AsofIndex index;
  index.starts_.assign(static_cast<size_t>(key_count) + 1, 0);
  size_t total = 0;
  bool has_created = false;
  for (const BuildRows& part : parts) {
    total += part.keys.size();
    has_created = has_created || !part.created_us.empty();
    for (const int32_t key : part.keys) ++index.starts_[static_cast<size_t>(key) + 1];
  }
  std::partial_sum(index.starts_.begin(), index.starts_.end(), index.starts_.begin());
  index.event_us_.resize(total);
  index.positions_.resize(total);
  if (has_created) index.created_us_.resize(total);

  constexpr size_t kRowsWorthAThread = 100'000;
  const size_t shares =
      std::clamp<size_t>(total / kRowsWorthAThread, 1, static_cast<size_t>(ThreadCount(threads)));
  // Shares of about equal rows, not keys: a few keys may hold most of them.
  const auto first_key = [&](size_t share) {
    if (share == shares) return key_count;
    const auto at =
        std::lower_bound(index.starts_.begin(), index.starts_.end() - 1, share * (total / shares));
    return share == 0 ? 0 : static_cast<int32_t>(at - index.starts_.begin());
  };
  SALVER_RETURN_NOT_OK(ParallelFor(shares, threads, [&](size_t share) {
    index.Place(parts, first_key(share), first_key(share + 1));
    return Status::OK();
  }));
  return index;
}

void AsofIndex::Place(const std::vector<BuildRows>& parts, int32_t first_key, int32_t last_key) {
  if (first_key >= last_key) return;
  std::vector<size_t> next(starts_.begin() + first_key, starts_.begin() + last_key);
  const uint32_t key_span = static_cast<uint32_t>(last_key - first_key);
  for (const BuildRows& part : parts) {
    for (size_t i = 0; i < part.keys.size(); ++i) {
      const uint32_t key = static_cast<uint32_t>(part.keys[i] - first_key);
      if (key >= key_span) continue;
      const size_t to = next[key]++;
      event_us_[to] = part.event_us[i];
      positions_[to] = part.first_position + part.rows[i];
      if (!part.created_us.empty()) created_us_[to] = part.created_us[i];
    }
  }
  for (int32_t key = first_key; key < last_key; ++key) {
    SortKey(starts_[static_cast<size_t>(key)], starts_[static_cast<size_t>(key) + 1]);
  }
}

bool AsofIndex::IsEarlier(size_t a, size_t b) const {
  if (event_us_[a] != event_us_[b]) return event_us_[a] < event_us_[b];
  return !created_us_.empty() && created_us_[a] < created_us_[b];
}

void AsofIndex::SortKey(size_t begin, size_t end) {
  bool sorted = true;
  for (size_t i = begin + 1; i < end && sorted; ++i) sorted = !IsEarlier(i, i - 1);
  if (sorted) return;
  std::vector<size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) { return IsEarlier(a, b); });
  const auto arrange = [&](LargeVector<int64_t>* column) {
    if (column->empty()) return;
    std::vector<int64_t> arranged(order.size());
    for (size_t i = 0; i < order.size(); ++i) arranged[i] = (*column)[order[i]];
    std::copy(arranged.begin(), arranged.end(), column->begin() + static_cast<ptrdiff_t>(begin));
  };
  arrange(&event_us_);
  arrange(&created_us_);
  arrange(&positions_);
}

// Binary searches in step: each step halves the rest of every search and asks memory for where the next one
// looks.
void AsofIndex::FindLast(std::span<const Search> searches, std::span<size_t> after) const {
  size_t longest = 0;
  std::array<size_t, kLanes> count;
  for (size_t i = 0; i < searches.size(); ++i) {
    after[i] = searches[i].begin;
    count[i] = searches[i].end - searches[i].begin;
    longest = std::max(longest, count[i]);
    __builtin_prefetch(event_us_.data() + searches[i].begin + count[i] / 2);
  }
  for (; longest > 0; longest /= 2) {
    for (size_t i = 0; i < searches.size(); ++i) {
      if (count[i] == 0) continue;
      const size_t half = count[i] / 2;
      const bool right = event_us_[after[i] + half] <= searches[i].time;
      after[i] = right ? after[i] + half + 1 : after[i];
      count[i] = right ? count[i] - half - 1 : half;
      __builtin_prefetch(event_us_.data() + after[i] + count[i] / 2);
    }
  }
}

void AsofIndex::Join(std::span<const int32_t> keys, std::span<const int64_t> times, int64_t ttl_us,
                     bool created_cut, std::span<int64_t> positions) const {
  const bool cut = created_cut && !created_us_.empty();
  std::array<Search, kLanes> searches;
  std::array<size_t, kLanes> rows, after;
  size_t lanes = 0;
  const auto answer = [&] {
    FindLast(std::span(searches).first(lanes), std::span(after).first(lanes));
    for (size_t i = 0; i < lanes; ++i) {
      const auto [begin, end, time] = searches[i];
      size_t at = after[i];
      // The last row at or before t is the newest; under the cut, the last of those that existed at t.
      while (cut && at > begin && created_us_[at - 1] > time) --at;
      if (at > begin && IsVisible(event_us_[at - 1], time, ttl_us)) positions[rows[i]] = positions_[at - 1];
    }
    lanes = 0;
  };
  for (size_t row = 0; row < keys.size(); ++row) {
    positions[row] = -1;
    if (row + kLanes < keys.size() && keys[row + kLanes] >= 0)
      __builtin_prefetch(&starts_[static_cast<size_t>(keys[row + kLanes])]);
    if (keys[row] < 0 || times[row] == kNoTime) continue;
    const size_t key = static_cast<size_t>(keys[row]);
    searches[lanes] = {starts_[key], starts_[key + 1], times[row]};
    rows[lanes++] = row;
    if (lanes == kLanes) answer();
  }
  answer();
}

}  // namespace salver
