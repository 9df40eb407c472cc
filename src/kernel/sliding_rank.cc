#include "kernel/sliding_rank.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace salver {

void SlidingRank::Rank(std::span<const int64_t> values) {
  order_.resize(values.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(),
            [&](uint32_t a, uint32_t b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  rank_of_.resize(values.size());
  sorted_.resize(values.size());
  for (size_t rank = 0; rank < order_.size(); ++rank) {
    rank_of_[order_[rank]] = static_cast<uint32_t>(rank);
    sorted_[rank] = values[order_[rank]];
  }
  Restart();
}

void SlidingRank::Restart() {
  counts_.assign(sorted_.size() + 1, 0);
  begin_ = end_ = 0;
}

void SlidingRank::Count(size_t row, int32_t change) {
  for (size_t at = rank_of_[row] + size_t{1}; at < counts_.size(); at += at & (0 - at)) counts_[at] += change;
}

void SlidingRank::MoveTo(size_t begin, size_t end) {
  for (; begin_ < begin && begin_ < end_; ++begin_) Count(begin_, -1);
  if (begin_ == end_) begin_ = end_ = begin;  // empty: what lies between need not go in and out
  for (; end_ < end; ++end_) Count(end_, 1);
}

int64_t SlidingRank::Select(size_t rank) const {
  size_t at = 0, rest = rank;
  for (size_t step = std::bit_floor(sorted_.size()); step > 0; step /= 2) {
    if (at + step >= counts_.size() || static_cast<size_t>(counts_[at + step]) > rest) continue;
    at += step;
    rest -= static_cast<size_t>(counts_[at]);
  }
  return sorted_[at];
}

}  // namespace salver
