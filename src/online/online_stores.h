// The online stores that are built in: how each is opened. What they do is in salver/online_store.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "online/redis_options.h"
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
};
// Packed rows (row_codec.h) in LMDB. Any number of processes read while one writes.
// Errors: Unavailable when the folder can not be created or opened.
Result<std::unique_ptr<OnlineStore>> OpenLmdbOnlineStore(const LmdbOptions& options);

struct SqliteOptions {
  std::string path;  // database file; created with its folder
  std::string project;
};
// Feast's layout to the byte: a table per view, a row per feature, times in whole seconds.
Result<std::unique_ptr<OnlineStore>> OpenSqliteOnlineStore(const SqliteOptions& options);

#ifdef SALVER_WITH_REDIS
// A Redis server, a cluster of them, or one that sentinels name. Connects when asked for something.
std::unique_ptr<OnlineStore> NewRedisOnlineStore(const RedisOptions& options);
#endif

// Names of the stores in this build, for messages: {"lmdb", "memory", ...}.
std::vector<std::string> OnlineStoreTypes();

}  // namespace salver
