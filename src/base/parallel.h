// Work on several threads, without exceptions leaving them.
#pragma once

#include <cstddef>
#include <functional>

#include "salver/status.h"

namespace salver {

// `threads` when it is positive, else one a core.
int ThreadCount(int threads);

// Calls work(i) for every i below `count` on up to ThreadCount(threads) threads, the caller's among them,
// handing out i in order. After an error no more is handed out; the error of the smallest i is returned, so
// that it does not depend on threads. An exception in `work` becomes a Status (ResourceExhausted for want of
// memory).
Status ParallelFor(size_t count, int threads, const std::function<Status(size_t)>& work);
// The same with work(i, worker): calls with the same worker, below ThreadCount(threads), never overlap.
Status ParallelForWorkers(size_t count, int threads, const std::function<Status(size_t, size_t)>& work);

}  // namespace salver
