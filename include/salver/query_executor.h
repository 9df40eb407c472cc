// A QueryExecutor runs the SQL of virtual features. DuckDB's is built in; another engine's (Spark's comes
// with the Spark compute engine) implements the same and is given to VirtualizedFeatureStore::Open.
//
// Thread safety: all methods from any thread, at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "salver/materialized_feature_store.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

// A name that the SQL selects from.
struct QueryTable {
  std::string name;
  std::string sql;                               // a SELECT in its place
  std::shared_ptr<arrow::Table> rows = nullptr;  // in place of `sql`, when it is not null
  std::string identity =
      "";  // another one when its rows may be others; empty: not known, so no answer is kept
  std::string extension = "";  // of the engine's, that `sql` needs: "delta"
};

struct FeatureQuery {
  std::string sql;       // of the person who defined the feature
  std::string asked_by;  // the subject of messages: feature "trips" of feature group "driver_stats"
  std::vector<std::string> columns;  // of its answer that are wanted; empty: all
  std::vector<QueryTable> tables;    // those that `sql` names
  // Rows of other keys need not be computed: columns named as in the answer of `sql`. Null: all rows.
  std::shared_ptr<arrow::Table> keys;
  const std::atomic<bool>* cancelled = nullptr;  // may be null
};

class QueryExecutor {
 public:
  virtual ~QueryExecutor() = default;
  virtual const char* name() const = 0;  // "duckdb"

  // Rows of the query, with a key of `keys` and perhaps others.
  // Errors: kVirtualizationQuery with the code that says why: InvalidArgument for SQL that does not parse or
  // bind,
  //         DeadlineExceeded after query_timeout_seconds (the query has ended then), Cancelled, NotFound.
  virtual Result<std::shared_ptr<arrow::Table>> Execute(const FeatureQuery& query) = 0;
  // How it would be run, for people.
  virtual Result<std::string> Explain(const FeatureQuery& query) = 0;
  // Answers that were taken from memory, and those that were not.
  virtual CacheStats cache_stats() const = 0;
};

struct DuckDBQueryExecutorOptions {
  double query_timeout_seconds = 300;  // 0: none
  // An answer is given again while every table that its SQL names is what it was. SQL that reads files by
  // itself (read_parquet('...')) or has another answer each time (now(), random()) is run each time.
  bool enable_caching = true;
  int64_t cache_size_mb = 256;
  std::string folder;              // where relative file names in the SQL start
  std::string temporary_folder;    // for what does not fit into memory; empty: none
  int64_t memory_limit_bytes = 0;  // 0: DuckDB's own
};
// Errors: Unavailable when DuckDB's library is not there.
Result<std::shared_ptr<QueryExecutor>> NewDuckDBQueryExecutor(const DuckDBQueryExecutorOptions& options);

}  // namespace salver
