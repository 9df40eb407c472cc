// One T for each thread that asks for it: what is asked for all the time is not shared, so nobody waits, and
// no processor takes a cache line from another.
//
// A thread that ends leaves its T to the next that asks: there are as many as threads that asked at one time.
//
// Thread safety: all methods from any thread; a T is its thread's alone while WithAll does not run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace salver {

template <typename T>
class PerThread {
 public:
  PerThread() = default;
  PerThread(const PerThread&) = delete;

  // The calling thread's, made at its first call; it stays where it is as long as this.
  T& Local() const {
    for (const Known& known : known_.all) {
      if (known.id == id_) return *known.value;
    }
    return Take();
  }
  // use(std::span<T* const>) of all, those that threads left too; no thread gets its first meanwhile.
  template <typename Use>
  auto WithAll(Use use) const {
    std::lock_guard lock(pool_->mutex);
    std::vector<T*> all;
    for (const auto& value : pool_->all) all.push_back(value.get());
    return use(std::span<T* const>(all));
  }

 private:
  struct Pool {
    std::mutex mutex;
    std::vector<std::unique_ptr<T>> all;
    std::vector<T*> left;  // by threads that have ended
  };
  struct Known {
    uint64_t id;
    T* value;
    std::weak_ptr<Pool> pool;
  };
  // What a thread knows. Of a PerThread that is gone it knows until it asks for a new one.
  struct OfThread {
    std::vector<Known> all;
    ~OfThread() {
      for (const Known& known : all) {
        const auto pool = known.pool.lock();
        if (pool == nullptr) continue;
        std::lock_guard lock(pool->mutex);
        pool->left.push_back(known.value);
      }
    }
  };

  [[gnu::noinline]] T& Take() const {
    std::erase_if(known_.all, [](const Known& known) { return known.pool.expired(); });
    std::lock_guard lock(pool_->mutex);
    if (pool_->left.empty()) {
      pool_->all.push_back(std::make_unique<T>());
      pool_->left.push_back(pool_->all.back().get());
    }
    T* const value = pool_->left.back();
    pool_->left.pop_back();
    known_.all.push_back({id_, value, pool_});
    return *value;
  }

  static uint64_t NextId() {
    static std::atomic<uint64_t> next{1};
    return next++;
  }

  static thread_local OfThread known_;
  const uint64_t id_ = NextId();  // addresses are used again
  const std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
};

template <typename T>
thread_local typename PerThread<T>::OfThread PerThread<T>::known_;

// The same object behind a count of references of its own: threads that copy one pointer all day write to one
// place.
template <typename T>
std::shared_ptr<T> WithOwnCount(std::shared_ptr<T> pointer) {
  T* const object = pointer.get();
  return std::shared_ptr<T>(std::make_shared<std::shared_ptr<T>>(std::move(pointer)), object);
}

}  // namespace salver
