// An object that is read all the time and replaced now and then: each thread keeps the one it saw last, and a
// look whether it is still the newest writes to nothing that another thread reads.
//
// Thread safety: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "base/per_thread.h"

namespace salver {

template <typename T>
class Published {
 public:
  using Pointer = std::shared_ptr<T>;

  // The newest, or null before the first. A thread keeps what it got until its next call.
  Pointer Load() const {
    Seen& seen = seen_.Local();
    if (seen.version != version_.load(std::memory_order_acquire)) {
      std::lock_guard lock(mutex_);
      seen.object = newest_ == nullptr ? nullptr : WithOwnCount(newest_);
      seen.version = version_.load(std::memory_order_relaxed);
    }
    return seen.object;
  }
  void Store(Pointer object) {
    std::lock_guard lock(mutex_);
    newest_ = std::move(object);
    version_.fetch_add(1, std::memory_order_release);
  }

 private:
  struct Seen {
    uint64_t version = 0;
    Pointer object;
  };
  mutable std::mutex mutex_;
  Pointer newest_;
  std::atomic<uint64_t> version_{0};
  PerThread<Seen> seen_;
};

}  // namespace salver
