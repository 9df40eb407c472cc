#include "online/online_stores.h"

namespace salver {

std::vector<std::string> OnlineStoreTypes() {
  return {
      "hybrid",   "lmdb", "memory",
#ifdef SALVER_WITH_POSTGRES
      "postgres",
#endif
#ifdef SALVER_WITH_REDIS
      "redis",
#endif
      "sqlite",
  };
}

Result<std::unique_ptr<OnlineStore>> OpenOnlineStore(const OnlineStoreOptions& options) {
  if (options.type == "lmdb")
    return OpenLmdbOnlineStore({.path = options.path, .project = options.project, .sync = options.sync});
  if (options.type == "sqlite")
    return OpenSqliteOnlineStore({.path = options.path,
                                  .project = options.project,
                                  .vectors = options.vectors,
                                  .text_search = options.text_search,
                                  .row_cache_mb = options.row_cache_mb});
#ifdef SALVER_WITH_REDIS
  if (options.type == "redis") return NewRedisOnlineStore(options.redis);
#endif
#ifdef SALVER_WITH_POSTGRES
  if (options.type == "postgres") return NewPostgresOnlineStore(options.postgres);
#endif
  if (options.type == "hybrid") {
    std::map<std::string, std::unique_ptr<OnlineStore>> stores;
    for (const auto& [name, one] : options.stores) {
      SALVER_ASSIGN(stores[name], OpenOnlineStore(one));
    }
    return NewHybridOnlineStore(options.routing_tag, std::move(stores));
  }
  return NewMemoryOnlineStore();
}

}  // namespace salver
