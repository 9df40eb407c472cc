// A SELECT as the history behind a source: what DuckDB is asked, and what it is spared.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "offline/offline_stores.h"
#include "sql/sql_database.h"

namespace salver {

// The DuckDB of the stores that read with it, opened when first asked. Thread safety: any thread.
class SharedSqlDatabase {
 public:
  explicit SharedSqlDatabase(const OfflineStoreOptions& options) : options_(options) {}
  Result<SqlDatabase*> Get();
  // The same with the Delta Lake extension loaded.
  Result<SqlDatabase*> GetWithDelta();
  // By when a query that starts now has to end.
  Deadline QueryDeadline() const;
  const std::string& folder() const { return options_.folder; }

 private:
  const OfflineStoreOptions options_;
  std::mutex mutex_;
  std::unique_ptr<SqlDatabase> database_;
  bool has_delta_ = false;
};

// SELECT of the columns of `select` that are needed, with a condition that lets rows out which are not.
// `schema` is that of `select`. What the condition holds, in an order that DuckDB can push to the scan of a
// file:
//   event time in [min_event_us, max_event_us], where the event column is a date or a timestamp;
//   each key column between the smallest and the largest key asked for, where both are integers or both are
//   texts; and for one key column with up to 256 distinct keys, one of them.
// Keys are no join: a join would give the rows in another order each time, and order decides between equal
// times.
Result<std::string> SelectNeeded(const std::string& select, const arrow::Schema& schema,
                                 const std::string& event_column, const SourceNeeds& needs);

}  // namespace salver
