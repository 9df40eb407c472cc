// The stores of this build, as the conformance suite opens them.
#include "online/online_stores.h"
#include "online/store_suite.h"
#ifdef SALVER_WITH_POSTGRES
#include "postgres/test_postgres.h"
#endif
#ifdef SALVER_WITH_REDIS
#include "online/test_redis.h"
#endif

namespace salver {
namespace {

std::unique_ptr<OnlineStore> OrNull(Result<std::unique_ptr<OnlineStore>> store) {
  return store.ok() ? std::move(store).value() : nullptr;
}

StoreCase Memory() {
  return {"memory", [](const std::string&, bool) { return NewMemoryOnlineStore(); }, false,
          "lives as long as this process"};
}

StoreCase Lmdb() {
  // A small map, so that growing it is part of every test.
  return {
      "lmdb",
      [](const std::string& folder, bool) {
        return OrNull(OpenLmdbOnlineStore({.path = folder + "/store", .project = "p", .map_bytes = 1 << 16}));
      },
      true, "survives power loss"};
}

StoreCase Sqlite() {
  return {"sqlite",
          [](const std::string& folder, bool) {
            return OrNull(OpenSqliteOnlineStore(
                {.path = folder + "/store.db", .project = "p", .vectors = true, .text_search = true}));
          },
          true, "survives power loss"};
}

// Two stores; the suite's views are tagged for one or the other.
StoreCase Hybrid() {
  return {"hybrid",
          [](const std::string& folder, bool) -> std::unique_ptr<OnlineStore> {
            std::map<std::string, std::unique_ptr<OnlineStore>> stores;
            stores["a"] =
                OrNull(OpenSqliteOnlineStore({.path = folder + "/a.db", .project = "p", .vectors = true}));
            stores["b"] = OrNull(OpenLmdbOnlineStore({.path = folder + "/b", .project = "p"}));
            if (stores["a"] == nullptr || stores["b"] == nullptr) return nullptr;
            return NewHybridOnlineStore("store", std::move(stores));
          },
          false, "a: an acknowledged row survives power loss"};
}

#ifdef SALVER_WITH_REDIS
StoreCase Redis(const char* name, bool packed) {
  return {name,
          [packed](const std::string&, bool empty) {
            if (empty) TestRedis::Shared()->Ask({"FLUSHALL"});
            RedisOptions options = TestRedis::Shared()->Options();
            options.packed = packed;
            return NewRedisOnlineStore(options);
          },
          false, "survives power loss where", TestRedis::IsInstalled};
}
#endif

#ifdef SALVER_WITH_POSTGRES
StoreCase Postgres(const char* name, bool packed) {
  return {name,
          [packed](const std::string&, bool empty) {
            TestPostgres* const server = TestPostgres::Shared();
            if (empty) server->Run("DROP SCHEMA IF EXISTS \"Online\" CASCADE");
            return NewPostgresOnlineStore(
                {.project = "p", .server = server->Options("Online"), .packed = packed});
          },
          false, "survives power loss where", TestPostgres::IsInstalled};
}
#endif

}  // namespace

std::vector<StoreCase> StoreCases() {
  return {
      Hybrid(),
      Memory(),
      Lmdb(),
      Sqlite(),
#ifdef SALVER_WITH_POSTGRES
      Postgres("postgres", false),
      Postgres("postgres_packed", true),
#endif
#ifdef SALVER_WITH_REDIS
      Redis("redis", false),
      Redis("redis_packed", true),
#endif
  };
}

}  // namespace salver
