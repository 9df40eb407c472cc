// The online stores that are built in: how each is opened. What they do is in salver/online_store.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "online/redis_options.h"
#include "postgres/postgres_options.h"
#include "salver/online_store.h"
#include "salver/status.h"

namespace salver {

// Rows in this process only: the reference that the other stores are compared with.
std::unique_ptr<OnlineStore> NewMemoryOnlineStore();

struct LmdbOptions {
  std::string path;  // folder of the environment; created
  std::string project;
  size_t map_bytes = size_t{1} << 28;  // first size of the map; it grows by itself
  bool sync = true;                    // false: an OK write survives a crash of the process, not power loss
  size_t vector_index_from = 4096;     // changes of a table; with fewer, searches look at every row
};
// Packed rows (row_codec.h) in LMDB. Any number of processes read while one writes.
// Errors: Unavailable when the folder can not be created or opened.
Result<std::unique_ptr<OnlineStore>> OpenLmdbOnlineStore(const LmdbOptions& options);

inline constexpr int64_t kSqliteRowCacheMb = 64;
struct SqliteOptions {
  std::string path;  // database file; created with its folder
  std::string project;
  bool vectors = false;      // rows are searched by their vectors
  bool text_search = false;  // and by their words, which are kept beside them
  // At most this much memory for rows that were read and have not changed since; 0: none are kept.
  int64_t row_cache_mb = kSqliteRowCacheMb;
};
// Feast's layout to the byte: a table per view, a row per feature, times in whole seconds.
Result<std::unique_ptr<OnlineStore>> OpenSqliteOnlineStore(const SqliteOptions& options);

#ifdef SALVER_WITH_REDIS
// A Redis server, a cluster of them, or one that sentinels name. Connects when asked for something.
std::unique_ptr<OnlineStore> NewRedisOnlineStore(const RedisOptions& options);
#endif

struct PostgresOnlineOptions {
  std::string project;
  PostgresOptions server;  // tables are in its db_schema
  bool packed = false;     // layout: packed instead of Feast's
};
#ifdef SALVER_WITH_POSTGRES
// Tables of a PostgreSQL database. Connects when asked for something.
std::unique_ptr<OnlineStore> NewPostgresOnlineStore(const PostgresOnlineOptions& options);
#endif

// Routes each view to the store that its tag `routing_tag` names. `stores`: one or more, by names in
// lower case.
std::unique_ptr<OnlineStore> NewHybridOnlineStore(const std::string& routing_tag,
                                                  std::map<std::string, std::unique_ptr<OnlineStore>> stores);

// Everything that a store is opened with, by type; what a type does not use is left as it is.
struct OnlineStoreOptions {
  std::string type;  // one of OnlineStoreTypes(); "": none
  std::string project;
  int entity_key_version = 3;
  std::string path;                           // of the file or folder; absolute
  bool sync = true;                           // lmdb
  bool vectors = false, text_search = false;  // sqlite
  int64_t row_cache_mb = kSqliteRowCacheMb;   // sqlite
  RedisOptions redis;
  PostgresOnlineOptions postgres;
  std::string routing_tag;                           // hybrid
  std::map<std::string, OnlineStoreOptions> stores;  // hybrid: by the value of the tag
};
// Errors: as the store's own function.
Result<std::unique_ptr<OnlineStore>> OpenOnlineStore(const OnlineStoreOptions& options);

// Names of the stores in this build, for messages: {"lmdb", "memory", ...}.
std::vector<std::string> OnlineStoreTypes();

}  // namespace salver
