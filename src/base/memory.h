// How much memory the process has needed, as the system counts it.
#pragma once

#include <cstdint>

namespace salver {

// Forgets the highest use so far and returns the use now, in bytes; 0 where the system does not tell.
int64_t RestartPeakMemory();
// The highest use since, in bytes; 0 where the system does not tell.
int64_t PeakMemory();

}  // namespace salver
