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
            return OrNull(OpenSqliteOnlineStore({.path = folder + "/store.db", .project = "p"}));
          },
          true, "survives power loss"};
}

#ifdef SALVER_WITH_REDIS
StoreCase Redis() {
  return {"redis",
          [](const std::string&, bool empty) {
            if (empty) TestRedis::Shared()->Ask({"FLUSHALL"});
            return NewRedisOnlineStore(TestRedis::Shared()->Options());
          },
          false, "survives power loss where", TestRedis::IsInstalled};
}
#endif

#ifdef SALVER_WITH_POSTGRES
StoreCase Postgres() {
  return {"postgres",
          [](const std::string&, bool empty) {
            TestPostgres* const server = TestPostgres::Shared();
            if (empty) server->Run("DROP SCHEMA IF EXISTS \"Online\" CASCADE");
            return NewPostgresOnlineStore({.project = "p", .server = server->Options("Online")});
          },
          false, "survives power loss where", TestPostgres::IsInstalled};
}
#endif

}  // namespace

std::vector<StoreCase> StoreCases() {
  return {
      Memory(),   Lmdb(), Sqlite(),
#ifdef SALVER_WITH_POSTGRES
      Postgres(),
#endif
#ifdef SALVER_WITH_REDIS
      Redis(),
#endif
  };
}

}  // namespace salver
