// Decoded columns and answers in memory, within a bound of bytes; what was used longest ago goes first. Keys
// name what can not change (a file that is never written again, a query and the state of what it reads), so
// an entry is never stale.
//
// Thread safety: all methods from any thread.
#pragma once

#include <arrow/util/byte_size.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "salver/materialized_feature_store.h"

namespace arrow {
class ChunkedArray;
}

namespace salver {

// Value: an Arrow array, chunked array or table.
template <typename Value>
class AnswerCache {
 public:
  // 0 bytes: nothing is kept.
  explicit AnswerCache(int64_t capacity_bytes) : capacity_(capacity_bytes) {}

  std::shared_ptr<Value> Find(const std::string& key) {  // null when it is not there
    std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) {
      ++stats_.misses;
      return nullptr;
    }
    ++stats_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  void Add(const std::string& key, std::shared_ptr<Value> value) {
    const int64_t bytes =
        arrow::util::TotalBufferSize(*value) + static_cast<int64_t>(2 * key.size() + sizeof(Entry));
    std::lock_guard lock(mutex_);
    if (bytes > capacity_ || index_.contains(key)) return;
    entries_.push_front({key, std::move(value), bytes});
    index_[key] = entries_.begin();
    stats_.bytes += bytes;
    while (stats_.bytes > capacity_) {
      ++stats_.evictions;
      Remove(std::prev(entries_.end()));
    }
  }

  // Forgets what begins with `prefix`.
  void Drop(const std::string& prefix) {
    std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const auto next = std::next(entry);
      if (entry->key.starts_with(prefix)) Remove(entry);
      entry = next;
    }
  }

  CacheStats stats() const {
    std::lock_guard lock(mutex_);
    CacheStats stats = stats_;
    stats.capacity_bytes = capacity_;
    stats.entries = static_cast<int64_t>(entries_.size());
    return stats;
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<Value> value;
    int64_t bytes;
  };
  using Entries = std::list<Entry>;

  void Remove(typename Entries::iterator entry) {
    stats_.bytes -= entry->bytes;
    index_.erase(entry->key);
    entries_.erase(entry);
  }

  const int64_t capacity_;
  mutable std::mutex mutex_;
  Entries entries_;  // last used first
  std::unordered_map<std::string, typename Entries::iterator> index_;
  CacheStats stats_;
};

// Columns of row groups, by table, file, row group and name.
using TableCache = AnswerCache<arrow::ChunkedArray>;

}  // namespace salver
