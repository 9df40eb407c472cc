// The memory of the process: how much it has needed, as the system counts it, and what becomes of freed
// memory.
#pragma once

#include <cstdint>

namespace salver {

// Forgets the highest use so far and returns the use now, in bytes; 0 where the system does not tell.
int64_t RestartPeakMemory();
// The highest use since, in bytes; 0 where the system does not tell.
int64_t PeakMemory();

// From now on up to `bytes` of freed memory stay with the process for what it needs next, instead of going
// back to the system, which would clear them before giving them out again. `ahead`: what is asked of the
// system beyond what is needed, and used page by page; by default as the allocator does.
void KeepFreedMemory(int bytes, int ahead = 128 << 10);

}  // namespace salver
