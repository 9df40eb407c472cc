#include "kernel/label_index.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "kernel/no_time.h"

namespace salver {

Result<LabelIndex> LabelIndex::Make(std::span<const int32_t> keys, std::span<const int64_t> times,
                                    int32_t key_count, int threads) {
  LabelIndex index;
  index.label_count_ = keys.size();
  const auto matches = [&](size_t row) { return keys[row] >= 0 && times[row] != kNoTime; };
  // A counting sort by key. Counted one place further on, so that placing the labels moves each start to
  // where it belongs.
  index.starts_.assign(static_cast<size_t>(key_count) + 2, 0);
  for (size_t row = 0; row < keys.size(); ++row) {
    if (matches(row)) ++index.starts_[static_cast<size_t>(keys[row]) + 2];
  }
  std::partial_sum(index.starts_.begin(), index.starts_.end(), index.starts_.begin());
  index.rows_.resize(index.starts_.back());
  for (size_t row = 0; row < keys.size(); ++row) {
    if (matches(row))
      index.rows_[index.starts_[static_cast<size_t>(keys[row]) + 1]++] = static_cast<uint32_t>(row);
  }
  index.starts_.pop_back();
  index.times_.resize(index.rows_.size() + 1);
  index.times_.back() = INT64_MAX;
  SALVER_RETURN_NOT_OK(
      index.ForKeyRanges(threads, [&](int32_t first, int32_t last) { index.SortKeys(times, first, last); }));
  return index;
}

void LabelIndex::SortKeys(std::span<const int64_t> times, int32_t first, int32_t last) {
  std::vector<std::pair<int64_t, uint32_t>> labels;
  for (auto key = static_cast<size_t>(first); key < static_cast<size_t>(last); ++key) {
    const size_t begin = starts_[key], end = starts_[key + 1];
    labels.clear();
    for (size_t slot = begin; slot < end; ++slot) labels.emplace_back(times[rows_[slot]], rows_[slot]);
    std::sort(labels.begin(), labels.end());
    for (size_t slot = begin; slot < end; ++slot) std::tie(times_[slot], rows_[slot]) = labels[slot - begin];
  }
}

// In step: each step halves the rest of every search. There is no branch that a processor could guess wrong,
// and waits for memory overlap.
void LabelIndex::Find(std::span<Search> searches) const {
  const int64_t* const times = times_.data();
  uint32_t longest = 0;
  for (Search& search : searches) {
    search.slot = starts_[search.key];
    search.left = starts_[search.key + 1] - search.slot;
    longest = std::max(longest, search.left);
    __builtin_prefetch(times + search.slot + search.left / 2);
  }
  for (; longest > 1; longest -= longest / 2) {
    for (Search& search : searches) {
      const uint32_t half = search.left / 2, last = search.slot + half - (half > 0);
      search.slot += half & -static_cast<uint32_t>(times[last] < search.time);
      search.left -= half;
    }
  }
  for (Search& search : searches) {
    const bool after = search.left == 1 && times[search.slot] < search.time;
    search.slot += after;
    search.left = starts_[search.key + 1] - search.slot;
  }
}

void LabelIndex::Start(LargeVector<Cursor>* cursors) const {
  cursors->resize(static_cast<size_t>(key_count()));
  for (size_t key = 0; key < cursors->size(); ++key) {
    const uint32_t slot = starts_[key], end = starts_[key + 1];
    (*cursors)[key] = {slot < end ? times_[slot] : INT64_MAX, slot, end};
  }
}

void LabelIndex::Advance(int64_t time, Cursor* cursor) const {
  while (cursor->slot < cursor->end && times_[cursor->slot] < time) ++cursor->slot;
  cursor->time = cursor->slot < cursor->end ? times_[cursor->slot] : INT64_MAX;
}

Status LabelIndex::ForKeyRanges(int threads, const std::function<void(int32_t, int32_t)>& use) const {
  constexpr size_t kLabelsWorthARange = 32 * 1024;
  const size_t ranges =
      std::clamp<size_t>(size() / kLabelsWorthARange, 1, static_cast<size_t>(ThreadCount(threads)) * 4);
  // Ranges of about as many labels, not keys: a few keys may have most of them.
  const auto first_key = [&](size_t range) {
    if (range == ranges) return key_count();
    const auto at = std::lower_bound(starts_.begin(), starts_.end() - 1, range * (size() / ranges));
    return range == 0 ? 0 : static_cast<int32_t>(at - starts_.begin());
  };
  return ParallelFor(ranges, threads, [&](size_t range) {
    const int32_t first = first_key(range), last = first_key(range + 1);
    if (first < last) use(first, last);
    return Status::OK();
  });
}

}  // namespace salver
