// The offline stores of this build: the explicit list, and the one OfflineStore that routes each source to
// its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "offline/postgres_options.h"
#include "salver/offline_store.h"

namespace salver {

// feature_store.yaml's `offline_store:` section, read.
struct OfflineStoreOptions {
  std::string folder;         // where relative paths start
  std::string type = "file";  // the store that Query goes to
  PostgresOptions postgres;   // its host is empty unless type is "postgres"
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

#ifdef SALVER_WITH_POSTGRES
// Tables and queries of one PostgreSQL database (docs/postgres.md). Connects when asked for something.
std::unique_ptr<OfflineStore> NewPostgresOfflineStore(const PostgresOptions& options);
#endif

}  // namespace salver
