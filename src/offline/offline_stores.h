// The offline stores of this build: the explicit list, and the one OfflineStore that routes each source to
// its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "postgres/postgres_options.h"
#include "salver/offline_store.h"

namespace arrow {
class Schema;
}

namespace salver {

// feature_store.yaml's `offline_store:` section, read.
struct OfflineStoreOptions {
  std::string folder;         // where relative paths start
  std::string type = "file";  // the store that Query goes to
  PostgresOptions postgres;   // its host is empty unless type is "postgres"
  // For stores that ask DuckDB: what it may use in memory (0: its own limit), where what does not fit goes
  // for a while (empty: nowhere), and how long one query may run (0: any time).
  int64_t memory_limit_bytes = 0;
  std::string spill_folder;
  double query_timeout_seconds = 0;
};

// What `offline_store: {type: ...}` may say in this build. Feast's "dask" and "duckdb" read files, and so
// does "file".
std::vector<std::string> OfflineStoreTypes();

// Routes by DataSource::store; of a push or stream source, by that of its batch source. Opens nothing before
// it is asked for.
// Errors of each call: Unimplemented (kBadSource) for a source whose store is not in this build.
std::unique_ptr<OfflineStore> NewOfflineStores(const OfflineStoreOptions& options);

// Files under `folder`, and by URI.
std::unique_ptr<OfflineStore> NewFileOfflineStore(const std::string& folder);
// SQL queries over files, and Delta Lake tables: both ask one DuckDB.
class SharedSqlDatabase;
std::unique_ptr<OfflineStore> NewDuckDbOfflineStore(std::shared_ptr<SharedSqlDatabase> database);
std::unique_ptr<OfflineStore> NewDeltaOfflineStore(std::shared_ptr<SharedSqlDatabase> database);

// Makes an empty Delta Lake table with these columns; rows come by Append. Durable once this returned OK.
// Errors: AlreadyExists; InvalidArgument for a type that such a table can not hold, naming the column.
Status CreateDeltaTable(const std::string& path, const arrow::Schema& schema);

#ifdef SALVER_WITH_POSTGRES
// Tables and queries of one PostgreSQL database (docs/postgres.md). Connects when asked for something.
std::unique_ptr<OfflineStore> NewPostgresOfflineStore(const PostgresOptions& options);
#endif

}  // namespace salver
