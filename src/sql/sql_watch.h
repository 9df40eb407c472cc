// Ends a query of DuckDB that has run past its deadline or is no longer wanted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "salver/deadline.h"
#include "salver/status.h"
#include "sql/duckdb_api.h"

namespace salver {

// Watches while it lives; takes a thread only when there is something to watch.
class SqlWatch {
 public:
  SqlWatch(const DuckDbApi& api, duckdb_connection connection, Deadline deadline,
           const std::atomic<bool>* cancelled);
  ~SqlWatch();
  // DeadlineExceeded or Cancelled once the query has to end; looks itself, so that it is never late.
  Status Verdict(const std::string& asked_by) const;

 private:
  bool MustEnd() const;
  void Run();

  const DuckDbApi& api_;
  const duckdb_connection connection_;
  const Deadline deadline_;
  const std::atomic<bool>* const cancelled_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace salver
