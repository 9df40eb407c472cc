// The one writer of a materialization: takes sorted rows of several views from several threads, writes them
// through loads of the online store, and claims what is done.
//
// Order of writes:  1. rows of many chunks in one transaction, synced, with a mark of each view that goes on;
//                      that of a view whose last rows these are goes
//                   2. the intervals and counts of the views that are done, in one registry version, synced
// So an interval is claimed after its rows are durable, and a mark never says more than the rows beside it.
// Who is killed between the two loads a view that was done once more.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "materialize/load_mark.h"
#include "materialize/materialize.h"
#include "materialize/row_sorter.h"

namespace salver {

// One view on its way into the store.
struct ViewRun {
  std::shared_ptr<const FeatureView> view;
  MaterializeReport::View report;
  std::string identity;  // of LoadMark; "": can not be resumed
  int64_t rows_total = 0, rows_done = 0;
  std::string last_key;  // of the rows written
  bool marked = false;   // the store has a mark of it
  bool done = false;     // its rows are durable and its interval is claimed
};

class StoreWriter {
 public:
  struct Options {
    int64_t load_bytes = int64_t{16} << 20;  // what a transaction may hold
    size_t chunks_waiting = 16;
    std::function<void(const ViewRun&)> on_progress;  // from the writer's thread
    // How long a view whose rows are durable may wait for others, to be claimed with them: a version of the
    // registry takes longer than a small view.
    std::chrono::steady_clock::duration claims_apart = std::chrono::seconds(1);
  };
  // `views` are all that will come.
  StoreWriter(const MaterializeContext& context, std::vector<std::shared_ptr<const FeatureView>> views,
              Options options);
  // Ends without what is not durable yet, unless Finish was called.
  ~StoreWriter();

  // `rows` of `run`, in key order from chunk to chunk; its last chunk may be empty. Waits while the writer is
  // behind. From any thread. Errors: that of the writer, after which nothing more is written.
  Status Put(ViewRun* run, SortedRows rows, bool last);
  // Commits and claims what has come; the writer's first error.
  Status Finish();

 private:
  struct Chunk {
    ViewRun* run;
    SortedRows rows;
    bool last = false;
  };

  void Run();
  Status Work();
  Status Take(const Chunk& chunk);
  Status Write(const Chunk& chunk);
  Status OpenLoad();
  Status Commit();
  Status Claim();

  const MaterializeContext& context_;
  const std::vector<std::shared_ptr<const FeatureView>> views_;
  const Options options_;

  std::mutex mutex_;  // guards the next four
  std::condition_variable changed_;
  std::deque<Chunk> queue_;
  bool closing_ = false, abandoned_ = false;
  Status status_;

  // Of the writer's thread.
  std::unique_ptr<OnlineLoad> load_;
  std::chrono::steady_clock::time_point load_began_;
  std::vector<ViewRun*> in_load_;   // with rows in the transaction
  std::vector<ViewRun*> finished_;  // with their last rows in the transaction, or none at all
  std::vector<ViewRun*> durable_;   // whole, and to be claimed
  std::chrono::steady_clock::time_point claimed_ = std::chrono::steady_clock::now();
  std::thread thread_;
};

}  // namespace salver
