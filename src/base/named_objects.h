// Objects by name that are looked up all the time, and seldom replaced: each thread remembers what it has
// found, and a look at that writes to nothing that another thread reads.
//
// Thread safety: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/per_thread.h"

namespace salver {

template <typename T>
class NamedObjects {
 public:
  using Pointer = std::shared_ptr<T>;

  // The newest object of that name, or null.
  Pointer Find(std::string_view name) const {
    Known& known = known_.Local();
    const uint64_t changes = changes_.load(std::memory_order_acquire);
    if (known.changes != changes) {
      known.objects.clear();
      known.changes = changes;
    }
    if (const auto found = known.objects.find(name); found != known.objects.end()) return found->second;
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(name);
    if (found == objects_.end()) return nullptr;
    return known.objects.emplace(name, WithOwnCount(found->second)).first->second;
  }
  void Put(const std::string& name, Pointer object) {
    std::lock_guard lock(mutex_);
    Pointer& at = objects_[name];
    if (at != nullptr) changes_.fetch_add(1, std::memory_order_release);  // of a new name nobody knows
    at = std::move(object);
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    changes_.fetch_add(1, std::memory_order_release);
    objects_.clear();
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  using Objects = std::unordered_map<std::string, Pointer, Hash, std::equal_to<>>;
  struct Known {
    uint64_t changes = 0;  // as of which it holds
    Objects objects;
  };
  mutable std::mutex mutex_;
  Objects objects_;
  std::atomic<uint64_t> changes_{0};  // that make what threads know wrong
  PerThread<Known> known_;
};

}  // namespace salver
