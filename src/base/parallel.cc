#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace salver {
namespace {

Status Guarded(const std::function<Status(size_t, size_t)>& work, size_t i, size_t worker) {
  try {
    return work(i, worker);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(
        "there is not enough memory for this step. Ask for fewer rows or columns at once.");
  } catch (const std::exception& error) {
    return Status::Internal(std::string("a library stopped with: ") + error.what());
  }
}

}  // namespace

int ThreadCount(int threads) {
  static const int cores =
      static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));  // reads a file
  return threads > 0 ? threads : cores;
}

Status ParallelFor(size_t count, int threads, const std::function<Status(size_t)>& work) {
  return ParallelForWorkers(count, threads, [&work](size_t i, size_t) { return work(i); });
}

Status ParallelForWorkers(size_t count, int threads, const std::function<Status(size_t, size_t)>& work) {
  std::vector<Status> results(count);
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false};
  const auto run = [&](size_t worker) {
    for (size_t i = next++; i < count && !stop; i = next++) {
      results[i] = Guarded(work, i, worker);
      if (!results[i].ok()) stop = true;
    }
  };
  const size_t wanted = std::min(count, static_cast<size_t>(ThreadCount(threads)));
  std::vector<std::thread> others;
  for (size_t i = 1; i < wanted; ++i) {
    try {
      others.emplace_back(run, i);
    } catch (const std::system_error&) {  // the system gives no more threads: those there are do it
      break;
    }
  }
  run(0);
  for (std::thread& other : others) other.join();
  for (Status& result : results) SALVER_RETURN_NOT_OK(result);
  return Status::OK();
}

}  // namespace salver
