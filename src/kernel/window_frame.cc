#include "kernel/window_frame.h"

#include <algorithm>

namespace salver {
namespace {

// The first row at `from` or after it that is later than `time`: doubling steps, so that near ones are found
// at once and far ones without passing all rows.
size_t FirstAfter(std::span<const int64_t> times, size_t from, int64_t time) {
  size_t step = 1, low = from;
  while (low + step <= times.size() && times[low + step - 1] <= time) {
    low += step;
    step *= 2;
  }
  const auto end = times.begin() + static_cast<ptrdiff_t>(std::min(low + step, times.size()));
  return static_cast<size_t>(std::upper_bound(times.begin() + static_cast<ptrdiff_t>(low), end, time) -
                             times.begin());
}

}  // namespace

void WindowFrame::Fill(std::span<const int64_t> event_us, std::span<const int64_t> created_us,
                       std::span<const int64_t> label_us, std::span<const int64_t> windows_us) {
  event_us_ = event_us;
  created_us_ = created_us;
  label_us_ = label_us;
  windows_ = windows_us.size();
  longest_ = 0;
  ends_.resize(label_us.size());
  begins_.resize(label_us.size() * windows_);
  size_t end = 0;
  for (size_t label = 0; label < label_us.size(); ++label) {
    ends_[label] = end = FirstAfter(event_us, end, label_us[label]);
  }
  for (size_t window = 0; window < windows_; ++window) {
    size_t begin = 0;
    for (size_t label = 0; label < label_us.size(); ++label) {
      const int64_t length = windows_us[window];
      // A window that reaches past the first time there is holds everything.
      if (length != 0 && label_us[label] >= INT64_MIN + length)
        begin = FirstAfter(event_us, begin, label_us[label] - length);
      begins_[label * windows_ + window] = begin;
      longest_ = std::max(longest_, ends_[label] - begin);
    }
  }
  hides_.clear();
  if (!created_us_.empty()) FindHidden();
}

void WindowFrame::FindHidden() {
  const auto add = [&](size_t row, Latest* latest) { latest->Merge({created_us_[row]}); };
  latest_.Build(created_us_.size(), add);
  hides_.resize(ends_.size());
  for (size_t label = 0; label < ends_.size(); ++label) {
    Latest latest;
    latest_.AddRange(begin(label, windows_ - 1), end(label), add, &latest);
    hides_[label] = latest.created_us > label_us_[label];
  }
}

int64_t WindowFrame::CountRows(size_t label, size_t window) const {
  const size_t from = begin(label, window), to = end(label);
  int64_t count = static_cast<int64_t>(to - from);
  for (size_t row = from; hides(label) && row < to; ++row) count -= IsHidden(label, row);
  return count;
}

}  // namespace salver
