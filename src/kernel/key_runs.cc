#include "kernel/key_runs.h"

#include <algorithm>
#include <numeric>

#include "base/parallel.h"

namespace salver {
namespace {

constexpr size_t kRowsWorthAThread = 100'000;

size_t Shares(size_t rows, int threads) {
  return std::clamp<size_t>(rows / kRowsWorthAThread, 1, static_cast<size_t>(ThreadCount(threads)));
}

}  // namespace

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
  std::vector<int64_t> arranged(order.size());
  const auto arrange = [&](LargeVector<int64_t>* column) {
    if (column->empty()) return;
    for (size_t i = 0; i < order.size(); ++i) arranged[i] = (*column)[order[i]];
    std::copy(arranged.begin(), arranged.end(), column->begin() + static_cast<ptrdiff_t>(begin));
  };
  for (auto& column : values_) arrange(&column);
  arrange(&created_us_);
  arrange(&event_us_);
}

KeyRunsBuilder::KeyRunsBuilder(std::span<const size_t> rooms, bool has_created) {
  size_t total = 0;
  for (const size_t room : rooms) {
    parts_.push_back({.first = total});
    total += room;
  }
  parts_.push_back({.first = total});
  keys_.resize(total);
  event_us_.resize(total);
  if (has_created) created_us_.resize(total);
}

KeyRunsBuilder::Part KeyRunsBuilder::part(size_t i) {
  const size_t first = parts_[i].first, room = parts_[i + 1].first - first;
  Part part{std::span(keys_).subspan(first, room), std::span(event_us_).subspan(first, room), {}};
  if (!created_us_.empty()) part.created_us = std::span(created_us_).subspan(first, room);
  return part;
}

std::span<const uint32_t> KeyRunsBuilder::slots(size_t part) const {
  return std::span(keys_).subspan(parts_[part].first, parts_[part].rows);
}

// Calls use(place among all rooms) for the rows that are the begin-th to the end-th.
template <typename Use>
void KeyRunsBuilder::EachRow(size_t begin, size_t end, const Use& use) const {
  size_t before = 0;
  for (const Rows& part : parts_) {
    const size_t from = std::clamp(begin, before, before + part.rows) - before;
    const size_t to = std::clamp(end, before, before + part.rows) - before;
    for (size_t i = part.first + from; i < part.first + to; ++i) use(i);
    before += part.rows;
  }
}

// A counting sort by key. Each thread has a stretch of the rows: it counts how many of each key are there,
// and so knows where the first of them goes when the stretches before it are counted too.
Status KeyRunsBuilder::Place(int32_t key_count, int threads) {
  const size_t keys = static_cast<size_t>(key_count);
  size_t total = 0;
  for (const Rows& part : parts_) total += part.rows;
  if (total > UINT32_MAX) {
    return Status::ResourceExhausted("the windows hold " + std::to_string(total) +
                                     " rows, and 4294967295 are the most at once. Set memory_limit, so that "
                                     "they are read in shares, or ask for fewer labels.");
  }
  runs_.starts_.assign(keys + 1, 0);
  runs_.event_us_.resize(total);
  if (!created_us_.empty()) runs_.created_us_.resize(total);

  // Counts must not outgrow the rows.
  const size_t shares = std::min(Shares(total, threads), total / (keys + 1) + 1);
  const auto begin = [&](size_t share) { return total * share / shares; };
  std::vector<LargeVector<uint32_t>> next(shares);
  SALVER_RETURN_NOT_OK(ParallelFor(shares, threads, [&](size_t share) {
    next[share].assign(keys, 0);
    EachRow(begin(share), begin(share + 1), [&](size_t i) { ++next[share][keys_[i]]; });
    return Status::OK();
  }));
  uint32_t slot = 0;
  for (size_t key = 0; key < keys; ++key) {
    for (auto& counts : next) slot += std::exchange(counts[key], slot);
    runs_.starts_[key + 1] = slot;
  }
  SALVER_RETURN_NOT_OK(ParallelFor(shares, threads, [&](size_t share) {
    EachRow(begin(share), begin(share + 1), [&](size_t i) {
      const uint32_t to = next[share][keys_[i]]++;
      runs_.event_us_[to] = event_us_[i];
      if (!created_us_.empty()) runs_.created_us_[to] = created_us_[i];
      keys_[i] = to;
    });
    return Status::OK();
  }));
  free_.push_back(std::move(created_us_));
  free_.push_back(std::move(event_us_));
  return Status::OK();
}

std::span<int64_t> KeyRunsBuilder::AddValues() {
  LargeVector<int64_t> column;
  if (!free_.empty()) {
    column = std::move(free_.back());
    free_.pop_back();
  }
  MakeRoom(runs_.row_count(), &column);
  return runs_.values_.emplace_back(std::move(column));
}

Result<KeyRuns> KeyRunsBuilder::Finish(int threads) {
  free_.clear();
  keys_ = {};
  // Shares of about equal rows, not keys: a few keys may hold most of them.
  const size_t total = runs_.row_count(), shares = Shares(total, threads);
  const auto first_key = [&](size_t share) {
    const auto at = std::lower_bound(runs_.starts_.begin(), runs_.starts_.end() - 1, total * share / shares);
    return share == 0 ? 0 : static_cast<size_t>(at - runs_.starts_.begin());
  };
  SALVER_RETURN_NOT_OK(ParallelFor(shares, threads, [&](size_t share) {
    const size_t end = share + 1 == shares ? runs_.key_count() : first_key(share + 1);
    for (size_t key = first_key(share); key < end; ++key)
      runs_.SortRun(runs_.starts_[key], runs_.starts_[key + 1]);
    return Status::OK();
  }));
  return std::move(runs_);
}

}  // namespace salver
