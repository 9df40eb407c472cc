// A time that nothing is visible at: the event time of a label, or of a feature row, that has none.
#pragma once

#include <cstdint>
#include <limits>

namespace salver {

inline constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

}  // namespace salver
