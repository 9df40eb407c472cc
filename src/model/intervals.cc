#include "model/intervals.h"

#include <algorithm>

namespace salver {

std::vector<TimeInterval> NormalizeIntervals(std::vector<TimeInterval> intervals) {
  std::erase_if(intervals, [](const TimeInterval& i) { return i.start_us > i.end_us; });
  std::sort(intervals.begin(), intervals.end(),
            [](const TimeInterval& a, const TimeInterval& b) { return a.start_us < b.start_us; });
  std::vector<TimeInterval> joined;
  for (const TimeInterval& interval : intervals) {
    if (!joined.empty() && interval.start_us <= joined.back().end_us) {
      joined.back().end_us = std::max(joined.back().end_us, interval.end_us);
    } else {
      joined.push_back(interval);
    }
  }
  return joined;
}

}  // namespace salver
