// The vectors of one table in memory, as of some change of its log: a graph (vector_graph.h), and what number
// of it is whose. It can be kept in two files, and is made anew from the log whenever they are not of use.
//
//   <name>.keys    "SALVERVI", u32 version, u32 length, u64 incarnation, u64 inode of the environment, u64
//   last
//                  change, u64 effort, u64 measured at, u64 count, 16 bytes XXH3 of <name>.graph; then for
//                  each number u8 1 while it is found, i64 event time, u32 size and bytes of its key; then 16
//                  bytes XXH3 of all before
//   <name>.graph   as hnswlib writes it
//
// All integers little-endian. Thread safety: as each method says.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "online/lmdb/vector_graph.h"

namespace salver {

// A key that changed, and what it holds since.
struct VectorChange {
  uint64_t number = 0;
  std::string key;  // encoded entity key
  int64_t event_us = 0;
  std::vector<float> vector;  // empty: none that can be found
};

// Whose vectors these are: files of another one are of no use.
struct VectorIndexIdentity {
  uint64_t incarnation = 0;
  uint64_t inode = 0;
  uint32_t length = 0;
};

class VectorIndex {
 public:
  VectorIndex(VectorIndexIdentity identity, DistanceMetric metric);

  // Holds the index as it is.
  class Shared {
   public:
    explicit Shared(const VectorIndex* index) : index_(index) {
      std::lock_guard turn(index->turn_);  // or one who changes it would wait for ever
      lock_ = std::shared_lock(index->mutex_);
    }
    uint64_t seen() const { return index_->seen_; }
    size_t count() const { return index_->number_of_.size(); }
    // The share of the vectors that `passes` (key, event time) lets through, from a few of them.
    double PassRate(const std::function<bool(std::string_view, int64_t)>& passes) const;
    // Keys of the `top_k` nearest that are not among `except` and that `passes` (null: all).
    Status Search(std::span<const float> query, size_t top_k, const std::vector<std::string>& except,
                  const std::function<bool(std::string_view, int64_t)>& passes,
                  std::vector<std::string>* keys) const;

   private:
    const VectorIndex* const index_;
    std::shared_lock<std::shared_mutex> lock_;
  };

  // The rest is for the one thread that changes the index.
  // Takes changes in, in the order of the log. After an error the index is empty.
  Status Apply(const std::vector<VectorChange>& changes);
  // How many candidates a search has to look at so that it misses few, measured with changes that are not in
  // the graph yet: a vector that is in it leads to its neighbours by itself. Does nothing until the index has
  // grown by a quarter.
  Status Measure(const std::vector<VectorChange>& next);
  uint64_t seen() const { return seen_; }
  uint64_t changed_since_save() const { return changed_since_save_; }
  size_t count() const { return number_of_.size(); }

  // Errors: those of Files; Load: NotFound; DataLoss, and FailedPrecondition for files of another version or
  // table, with the reason in words; the index is empty then.
  Status Save(const std::string& name);
  Status Load(const std::string& name, uint64_t last_change);
  void Clear();

 private:
  struct Entry {
    std::string key;
    int64_t event_us = 0;
    bool found = true;
  };
  Status ApplyOne(const VectorChange& change);
  Status Rebuild();
  Status ParseKeys(std::string_view bytes, uint64_t last_change, std::string* graph_hash);

  const VectorIndexIdentity identity_;
  const DistanceMetric metric_;
  mutable std::mutex turn_;
  mutable std::shared_mutex mutex_;
  std::unique_ptr<VectorGraph> graph_;
  std::deque<Entry> entries_;                                 // by number
  std::unordered_map<std::string_view, uint32_t> number_of_;  // of what is found; keys lie in entries_
  uint64_t seen_ = 0;
  uint64_t changed_since_save_ = 0;
  size_t effort_ = 64;
  size_t measured_at_ = 0;  // count
};

}  // namespace salver
