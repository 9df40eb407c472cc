#include "kernel/key_runs.h"

#include <algorithm>
#include <numeric>

#include "base/parallel.h"

namespace salver {

// A counting sort by key. Threads own ranges of keys: each reads all ids and places the rows of its own keys,
// so that no two write the same place and the rows of a key stay in source order.
Result<KeyRuns> KeyRuns::Make(const std::vector<BuildRows>& parts, int32_t key_count, int threads) {
  KeyRuns runs;
  runs.starts_.assign(static_cast<size_t>(key_count) + 1, 0);
  size_t total = 0;
  bool has_created = false, has_rows = false;
  for (const BuildRows& part : parts) {
    total += part.keys.size();
    has_created = has_created || !part.created_us.empty();
    has_rows = has_rows || !part.rows.empty();
    for (const int32_t key : part.keys) ++runs.starts_[static_cast<size_t>(key) + 1];
  }
  std::partial_sum(runs.starts_.begin(), runs.starts_.end(), runs.starts_.begin());
  runs.event_us_.resize(total);
  if (has_rows) runs.positions_.resize(total);
  if (has_created) runs.created_us_.resize(total);
  runs.values_.resize(parts.empty() ? 0 : parts[0].values.size());
  for (auto& column : runs.values_) column.resize(total);

  constexpr size_t kRowsWorthAThread = 100'000;
  const size_t shares =
      std::clamp<size_t>(total / kRowsWorthAThread, 1, static_cast<size_t>(ThreadCount(threads)));
  // Shares of about equal rows, not keys: a few keys may hold most of them.
  const auto first_key = [&](size_t share) {
    if (share == shares) return key_count;
    const auto at = std::lower_bound(runs.starts_.begin(), runs.starts_.end() - 1, share * (total / shares));
    return share == 0 ? 0 : static_cast<int32_t>(at - runs.starts_.begin());
  };
  SALVER_RETURN_NOT_OK(ParallelFor(shares, threads, [&](size_t share) {
    runs.Place(parts, first_key(share), first_key(share + 1));
    return Status::OK();
  }));
  return runs;
}

void KeyRuns::Place(const std::vector<BuildRows>& parts, int32_t first_key, int32_t last_key) {
  if (first_key >= last_key) return;
  std::vector<size_t> next(starts_.begin() + first_key, starts_.begin() + last_key);
  const uint32_t key_span = static_cast<uint32_t>(last_key - first_key);
  for (const BuildRows& part : parts) {
    for (size_t i = 0; i < part.keys.size(); ++i) {
      const uint32_t key = static_cast<uint32_t>(part.keys[i] - first_key);
      if (key >= key_span) continue;
      const size_t to = next[key]++;
      event_us_[to] = part.event_us[i];
      if (!part.rows.empty()) positions_[to] = part.first_position + part.rows[i];
      for (size_t column = 0; column < values_.size(); ++column) values_[column][to] = part.values[column][i];
      if (!part.created_us.empty()) created_us_[to] = part.created_us[i];
    }
  }
  for (int32_t key = first_key; key < last_key; ++key) {
    SortRun(starts_[static_cast<size_t>(key)], starts_[static_cast<size_t>(key) + 1]);
  }
}

bool KeyRuns::IsEarlier(size_t a, size_t b) const {
  if (event_us_[a] != event_us_[b]) return event_us_[a] < event_us_[b];
  return !created_us_.empty() && created_us_[a] < created_us_[b];
}

void KeyRuns::SortRun(size_t begin, size_t end) {
  bool sorted = true;
  for (size_t i = begin + 1; i < end && sorted; ++i) sorted = !IsEarlier(i, i - 1);
  if (sorted) return;
  std::vector<size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) { return IsEarlier(a, b); });
  const auto arrange = [&](auto* column) {
    if (column->empty()) return;
    std::vector<typename std::decay_t<decltype(*column)>::value_type> arranged(order.size());
    for (size_t i = 0; i < order.size(); ++i) arranged[i] = (*column)[order[i]];
    std::copy(arranged.begin(), arranged.end(), column->begin() + static_cast<ptrdiff_t>(begin));
  };
  arrange(&event_us_);
  arrange(&created_us_);
  arrange(&positions_);
  for (auto& column : values_) arrange(&column);
}

}  // namespace salver
