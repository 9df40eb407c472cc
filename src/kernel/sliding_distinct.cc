#include "kernel/sliding_distinct.h"

#include <bit>

namespace salver {

void SlidingDistinct::Link(std::span<const int64_t> values) {
  before_.assign(values.size(), 0);
  after_.assign(values.size(), UINT32_MAX);
  const size_t size = std::bit_ceil(2 * values.size() + 1);
  slots_.assign(size, Slot());
  const int shift = 64 - std::countr_zero(size);
  for (size_t row = 0; row < values.size(); ++row) {
    size_t at = (static_cast<uint64_t>(values[row]) * 0x9e3779b97f4a7c15ULL) >> shift;
    while (slots_[at].last != 0 && slots_[at].value != values[row]) at = (at + 1) & (size - 1);
    if (const uint32_t last = slots_[at].last; last != 0) {
      before_[row] = last;
      after_[last - 1] = static_cast<uint32_t>(row);
    }
    slots_[at] = {values[row], static_cast<uint32_t>(row + 1)};
  }
  Restart();
}

int64_t SlidingDistinct::MoveTo(size_t begin, size_t end) {
  if (begin >= end_) {  // nothing of the old window is left
    begin_ = end_ = begin;
    count_ = 0;
  }
  for (; end_ < end; ++end_) count_ += before_[end_] <= begin_;
  for (; begin_ < begin; ++begin_) count_ -= after_[begin_] >= end_;
  return count_;
}

}  // namespace salver
