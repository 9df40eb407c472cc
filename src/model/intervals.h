// Sets of time intervals: what of a view's history is materialized.
#pragma once

#include <vector>

#include "salver/feature_view.h"

namespace salver {

// Sorted, with overlapping and touching intervals joined; empty and reversed ones dropped (start == end is
// kept: both ends are inclusive).
std::vector<TimeInterval> NormalizeIntervals(std::vector<TimeInterval> intervals);

}  // namespace salver
