// The memory of the process: how much it has needed, as the system counts it, and what becomes of freed
// memory.
#pragma once

#include <cstdint>

namespace salver {

// Forgets the highest use so far and returns the use now, in bytes; 0 where the system does not tell.
int64_t RestartPeakMemory();
// The highest use since, in bytes; 0 where the system does not tell.
int64_t PeakMemory();

// From now on memory that is freed stays with the process for what it needs next, instead of going back to
// the system, which would clear it before giving it out again. For commands that do the same thing many times
// and end soon; nothing that serves wants it.
void KeepFreedMemory();

}  // namespace salver
