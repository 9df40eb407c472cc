// The vector indexes of an LMDB environment in this process, and the thread that keeps them in step with
// their tables' logs of changes. An index that is behind is no fault: searches look at the rows behind it one
// by one, so what they find depends on it in time only.
//
// Thread safety: all methods from any thread, Stop and Forget from one while nobody searches.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "online/lmdb/lmdb_tables.h"
#include "online/lmdb/vector_index.h"

namespace salver {

class VectorIndexes {
 public:
  VectorIndexes(LmdbEnvironment* environment, LmdbTables* tables, const LmdbOptions& options)
      : environment_(environment), tables_(tables), options_(options) {}
  ~VectorIndexes() { Stop(); }

  // The index of a search, which is begun when there is none. Null where there shall be none: another column
  // than the view's declared one, no declared length, a table without a log or of few changes.
  std::shared_ptr<VectorIndex> Find(const OnlineSearch& search, const LmdbTable& table, uint64_t last_change);
  // Says that an index is behind.
  void Wake();
  // Ends the thread; Wake begins another.
  void Stop();
  // Removes indexes in memory, and the files of `tables`.
  void Forget(const std::vector<uint32_t>& tables);

 private:
  struct Kept {
    FeatureView view;  // as it was asked for, with the one feature
    DistanceMetric metric;
    uint32_t table = 0;
    uint64_t incarnation = 0;
    bool loaded = false;  // from its files, or found to have none
    bool gone = false;    // the table is there no more
    std::shared_ptr<VectorIndex> index;
  };
  using Key = std::tuple<uint32_t, uint64_t, std::string, int, DistanceMetric>;

  void Run();
  Status CatchUp(Kept* kept);
  Status LoadFiles(Kept* kept, uint64_t last_change);
  Status SaveFiles(Kept* kept);
  Result<std::vector<VectorChange>> ReadChanges(Kept* kept, uint64_t* last_change);
  std::string FileName(const Kept& kept) const;

  LmdbEnvironment* const environment_;
  LmdbTables* const tables_;
  const LmdbOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::shared_ptr<Kept>> kept_;
  uint64_t woken_ = 0;  // how often
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace salver
