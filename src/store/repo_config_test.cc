#include "store/repo_config.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "test/source_dir.h"
#include "test/test_folder.h"

namespace salver {
namespace {

class RepoConfigTest : public testing::Test {
 protected:
  Result<RepoConfig> Load(const std::string& text) {
    auto file = Files::System()->Create(folder_ + "/feature_store.yaml");
    EXPECT_TRUE(file.ok() && (*file)->Append(text).ok());
    return LoadRepoConfig(folder_, "", LogLevel::kWarn);
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
};

#ifdef SALVER_WITH_POSTGRES
TEST_F(RepoConfigTest, PostgresHasFeastsKeysAndKeepsItsPassword) {
  ASSERT_EQ(::setenv("SALVER_TEST_PASSWORD", "hunter2", 1), 0);
  const auto config = Load(
      "project: p\noffline_store:\n  type: postgres\n  host: db.example\n  database: d\n  user: u\n"
      "  password: ${SALVER_TEST_PASSWORD}\n  min_conn: 1\n  conn_type: pool\n  statement_timeout_seconds: "
      "30\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const PostgresOptions& options = config->offline_store.postgres;
  EXPECT_EQ(options.host, "db.example");
  EXPECT_EQ(options.port, 5432);
  EXPECT_EQ(options.db_schema, "public");
  EXPECT_EQ(options.sslmode, "require");
  EXPECT_EQ(options.statement_timeout_s, 30);
  EXPECT_EQ(options.password.Reveal(), "hunter2");
  EXPECT_EQ(config->ToYaml().find("hunter2"), std::string::npos);
}
#endif

TEST_F(RepoConfigTest, LeavesOutAreFeastsDefaults) {
  const auto config = Load("project: p\nregistry: data/registry.db\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->project, "p");
  EXPECT_EQ(config->registry_path, folder_ + "/data/registry.db");
  EXPECT_EQ(config->registry_cache_ttl_s, 600);
  EXPECT_EQ(config->online_store.type, "sqlite");
  EXPECT_EQ(config->online_store.path, folder_ + "/data/online.db");
  EXPECT_EQ(config->online_store.row_cache_mb, 64);
  EXPECT_EQ(config->entity_key_version, 3);
  EXPECT_FALSE(config->serve_expired_values);
}

TEST_F(RepoConfigTest, LoggingHasLevelsByRoom) {
  const auto config =
      Load("project: p\nlogging: {format: text, level: info, rooms: {groups: debug, server: off}}\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_FALSE(config->log.json);
  EXPECT_EQ(config->log.level, LogLevel::kInfo);
  EXPECT_EQ(config->log.rooms.at("groups"), LogLevel::kDebug);
  EXPECT_EQ(config->log.rooms.at("server"), LogLevel::kOff);
  for (const char* bad : {"logging: {rooms: {group: debug}}", "logging: {level: loud}", "logging: {file: x}",
                          "logging: {rooms: [groups]}"}) {
    const auto refused = Load(std::string("project: p\n") + bad + "\n");
    EXPECT_EQ(refused.status().reason(), Reason::kBadConfig) << bad;
    EXPECT_NE(refused.status().message().find("feature_store.yaml:2"), std::string::npos)
        << refused.status().message();
  }
}

TEST_F(RepoConfigTest, ReadsWhatFeastReads) {
  const auto config = Load(
      "project: my_project\nproject_description: x\nprovider: local\n"
      "registry: {registry_type: file, path: /abs/r.db, cache_ttl_seconds: 5, cache_mode: thread}\n"
      "online_store: {type: sqlite, path: o.db, similarity: cosine, vector_enabled: false}\n"
      "offline_store: {type: duckdb, staging_location: /tmp/x}\nbatch_engine: local\nauth: {type: no_auth}\n"
      "flags: {anything: true}\nmaterialization: {pull_latest_features: true}\ncoerce_tz_aware: true\n"
      "feature_server: {enabled: true, type: local}\nentity_key_serialization_version: 2\n"
      "serving: {expired_values: serve}\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->registry_path, "/abs/r.db");
  EXPECT_EQ(config->registry_cache_ttl_s, 5);
  EXPECT_EQ(config->online_store.path, folder_ + "/o.db");
  EXPECT_EQ(config->entity_key_version, 2);
  EXPECT_TRUE(config->serve_expired_values);
  const auto golden =
      LoadRepoConfig(std::string(kSourceDir) + "/test/golden/quickstart", "", LogLevel::kWarn);
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  EXPECT_EQ(golden->project, "quickstart");
}

#ifdef SALVER_WITH_REDIS
TEST_F(RepoConfigTest, RedisHasFeastsKeysAndKeepsItsPassword) {
  const auto config = Load(
      "project: p\nonline_store:\n  type: redis\n  redis_type: redis_sentinel\n  sentinel_master: m\n"
      "  connection_string: 'a:1,b:2,db=3,password=hunter2'\n  key_ttl_seconds: 60\n  layout: packed\n"
      "  full_scan_for_deletion: false\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const RedisOptions& redis = config->online_store.redis;
  EXPECT_EQ(redis.project, "p");
  EXPECT_EQ(redis.deployment, RedisDeployment::kSentinel);
  EXPECT_EQ(redis.nodes, (std::vector<RedisAddress>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(redis.database, 3);
  EXPECT_EQ(redis.key_ttl_s, 60);
  EXPECT_TRUE(redis.packed);
  EXPECT_FALSE(redis.delete_on_drop);
  EXPECT_EQ(redis.password.Reveal(), "hunter2");
  EXPECT_EQ(config->ToYaml().find("hunter2"), std::string::npos);
  EXPECT_EQ(Load("project: p\nonline_store: redis\n")->online_store.redis.nodes[0].Text(), "localhost:6379");
}
#endif

TEST_F(RepoConfigTest, AHybridStoreHasAListOfStores) {
  const auto config = Load(
      "project: p\nonline_store:\n  type: hybrid\n  routing_tag: team\n  online_stores:\n"
      "  - type: lmdb\n    conf: {path: l}\n  - type: feast.infra.online_stores.sqlite.SqliteOnlineStore\n"
      "    conf: {path: s.db}\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->online_store.routing_tag, "team");
  EXPECT_EQ(config->online_store.stores.at("lmdb").path, folder_ + "/l");
  EXPECT_EQ(config->online_store.stores.at("sqliteonlinestore").type, "sqlite");
  for (const char* bad : {"{type: hybrid}", "{type: hybrid, online_stores: []}",
                          "{type: hybrid, online_stores: [{type: hybrid}]}",
                          "{type: hybrid, online_stores: [{type: lmdb}, {type: lmdb}]}",
                          "{type: hybrid, online_stores: [{type: lmdb, conf: {pat: x}}]}"})
    EXPECT_EQ(Load(std::string("project: p\nonline_store: ") + bad + "\n").status().reason(),
              Reason::kBadConfig)
        << bad;
}

TEST_F(RepoConfigTest, OnlineStoreMayBeATypeAClassOrNone) {
  EXPECT_EQ(Load("project: p\nonline_store: memory\n")->online_store.type, "memory");
  EXPECT_EQ(Load("project: p\nonline_store: lmdb\n")->online_store.path, folder_ + "/data/online.lmdb");
  const auto small = Load("project: p\nonline_store: {type: sqlite, row_cache_mb: 0}\n");
  EXPECT_EQ(small->online_store.row_cache_mb, 0);
  EXPECT_NE(small->ToYaml().find("  row_cache_mb: 0\n"), std::string::npos) << small->ToYaml();
  for (const char* none : {"none", "null", "\"null\"", "~"})
    EXPECT_EQ(Load(std::string("project: p\nonline_store: ") + none + "\n")->online_store.type, "") << none;
  EXPECT_EQ(Load("project: p\nonline_store: feast.infra.online_stores.sqlite.SqliteOnlineStore\n")
                ->online_store.type,
            "sqlite");
}

TEST_F(RepoConfigTest, TheEnvironmentIsPutIn) {
  ::setenv("SALVER_TEST_NAME", "from_env", 1);
  ::unsetenv("SALVER_TEST_UNKNOWN");
  const auto config =
      Load("project: ${SALVER_TEST_NAME}\nregistry: $SALVER_TEST_NAME/$SALVER_TEST_UNKNOWN/${x$.db\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->project, "from_env");
  EXPECT_EQ(config->registry_path, folder_ + "/from_env/$SALVER_TEST_UNKNOWN/${x$.db");
}

TEST_F(RepoConfigTest, MemoryHasUnitsAndSpillsBesideTheRegistry) {
  EXPECT_EQ(Load("project: p\n")->memory_limit_bytes, 0);
  EXPECT_EQ(Load("project: p\n")->spill_folder, folder_ + "/data");
  EXPECT_EQ(Load("project: p\nmemory_limit: 1GB\n")->memory_limit_bytes, 1'000'000'000);
  EXPECT_EQ(Load("project: p\nmemory_limit: 1.5 GiB\n")->memory_limit_bytes, 1'610'612'736);
  EXPECT_EQ(Load("project: p\nmemory_limit: 65536\n")->memory_limit_bytes, 65'536);
  EXPECT_EQ(Load("project: p\nspill_folder: s\n")->spill_folder, folder_ + "/s");
  EXPECT_EQ(Load("project: p\nspill_folder: /s\n")->spill_folder, "/s");
}

TEST_F(RepoConfigTest, WhatItPrintsReadsAsTheSame) {
  const auto config = Load(
      "project: p\nonline_store: {type: lmdb, path: o, sync: false}\nserving: {expired_values: serve}\n"
      "memory_limit: 512MB\nspill_folder: s\n");
  ASSERT_TRUE(config.ok());
  const auto again = Load(config->ToYaml());
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again->ToYaml(), config->ToYaml());
}

TEST_F(RepoConfigTest, BadOnesAreRefusedWithFileLineAndKey) {
  struct BadCase {
    const char* text;
    std::vector<const char*> words;
  };
  const BadCase cases[] = {
      {"", {"no mapping"}},
      {"- a", {"feature_store.yaml:1", "no mapping"}},
      {"project: [", {"feature_store.yaml:1"}},
      {"registry: x", {"\"project\" is missing"}},
      {"project:\n", {"\"project\" is missing"}},
      {"project: [a]", {"\"project\" is missing"}},
      {"project: _p", {"project \"_p\"", "not _ or - first"}},
      {"project: a b", {"project \"a b\""}},
      {"project: a-b", {"\"a-b\"", "sqlite", "lmdb"}},
      {"project: p\nproject: q", {":2", "\"project\" is there twice"}},
      {"project: p\nonline_stor: x", {":2", "\"online_stor\"", "Did you mean \"online_store\"?"}},
      {"project: p\nonline_store: sqlit", {"\"sqlit\"", "Did you mean \"sqlite\"?"}},
      {"project: p\nonline_store: bigtable", {"\"bigtable\"", "lmdb", "memory", "sqlite"}},
      {"project: p\nonline_store: [a]", {"\"online_store\" is neither"}},
      {"project: p\nonline_store:\n  type: lmdb\n  pat: x", {":4", "online_store.pat", "\"path\""}},
      {"project: p\nonline_store: {type: lmdb, sync: maybe}", {"online_store.sync", "true or false"}},
      {"project: p\nonline_store: {type: sqlite, path: [x]}", {"online_store.path", "text"}},
      {"project: p\nonline_store: {type: sqlite, row_cache_mb: 64 MB}",
       {"online_store.row_cache_mb", "whole"}},
      {"project: p\nonline_store: {type: sqlite, row_cache_mb: -1}",
       {"online_store.row_cache_mb", "-1", "0"}},
      {"project: p\nonline_store: {type: sqlite, row_cach_mb: 1}", {"Did you mean \"row_cache_mb\"?"}},
      {"project: p\nonline_store: {type: sqlite, enable_openai_compatible_store: true}",
       {"enable_openai_compatible_store", "not in this release"}},
      {"project: p\nonline_store: {type: memory, path: x}", {"online_store.path"}},
#ifdef SALVER_WITH_REDIS
      {"project: p\nonline_store: {type: redis, connection_strin: x}", {"connection_string"}},
      {"project: p\nonline_store: {type: redis, redis_type: ring}", {"redis_type", "redis_cluster"}},
      {"project: p\nonline_store: {type: redis, layout: flat}", {"layout", "packed"}},
      {"project: p\nonline_store: {type: redis, connection_string: 'h:1,password=hunter2,pasword=x'}",
       {":2", "\"pasword\"", "password"}},
      {"project: p\nonline_store: {type: redis, key_ttl_seconds: -1}", {"negative"}},
      {"project: p\nonline_store: {type: redis, redis_type: redis_cluster, connection_string: 'h:1,db=2'}",
       {"no databases"}},
#endif
      {"project: p\nregistry: s3://bucket/r.db", {"\"s3\"", "local files"}},
      {"project: p\nregistry: {registry_type: sql, path: x}", {"\"sql\"", "There is: file"}},
      {"project: p\nregistry: {path: x, cache_ttl: 3}", {"registry.cache_ttl", "cache_ttl_seconds"}},
      {"project: p\nregistry: {path: x, cache_ttl_seconds: soon}", {"cache_ttl_seconds", "seconds"}},
      {"project: p\nregistry: {path: x, cache_ttl_seconds: -1}", {"negative"}},
      {"project: p\nregistry: ''", {"\"registry\" is empty"}},
      {"project: p\nregistry: [x]", {"\"registry\" is no mapping"}},
      {"project: p\nregistry: {path: x, enable_online_feature_view_versioning: true}",
       {"not in this release"}},
      {"project: p\noffline_store: {type: bigquery, dataset: x}", {"\"bigquery\"", "dask"}},
      {"project: p\noffline_store: {type: file, path: x}", {"offline_store.path"}},
#ifdef SALVER_WITH_POSTGRES
      {"project: p\noffline_store: postgres", {"\"offline_store\" is no mapping"}},
      {"project: p\noffline_store: {type: postgres, database: d}", {"no \"host\""}},
      {"project: p\noffline_store: {type: postgres, host: h, database: d, user: u}",
       {"no \"password\"", "${"}},
      {"project: p\noffline_store: {type: postgres, host: h, database: d, user: u, password: hunter2, "
       "sslmod: x}",
       {"offline_store.sslmod", "sslmode"}},
      {"project: p\noffline_store: {type: postgres, host: h, database: d, user: u, password: hunter2, port: "
       "x}",
       {"offline_store.port"}},
      {"project: p\noffline_store: {type: postgres, host: h, database: d, user: u, password: hunter2, "
       "sslmode: on}",
       {"sslmode"}},
#endif
      {"project: p\nbatch_engine: {type: spark.engine}", {"\"spark.engine\"", "local"}},
      {"project: p\nauth: {type: oidc}", {"\"oidc\"", "let everyone in"}},
      {"project: p\nserving: {expired_value: serve}", {"serving.expired_value", "expired_values"}},
      {"project: p\nserving: {expired_values: maybe}", {"\"maybe\"", "null nor serve"}},
      {"project: p\nmemory_limit: 1 gigabyte", {":2", "memory_limit", "\"1 gigabyte\"", "512MB"}},
      {"project: p\nmemory_limit: 0", {"\"0\""}},
      {"project: p\nmemory_limit: -1GB", {"\"-1GB\""}},
      {"project: p\nmemory_limit: 1GBs", {"\"1GBs\""}},
      {"project: p\nmemory_limit: 9999999TB", {"memory_limit"}},
      {"project: p\nmemory_limit: [1]", {"memory_limit"}},
      {"project: p\nspill_folder: [x]", {"\"spill_folder\""}},
      {"project: p\nmaterialization: {pull_latest: true}", {"materialization.pull_latest"}},
      {"project: p\nentity_key_serialization_version: 1", {"\"1\"", "Use 3"}},
      {"project: p\nentity_key_serialization_version: three", {"\"three\""}},
  };
  for (const BadCase& bad : cases) {
    const auto config = Load(bad.text);
    ASSERT_FALSE(config.ok()) << bad.text;
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument) << bad.text;
    EXPECT_EQ(config.status().reason(), Reason::kBadConfig) << bad.text;
    EXPECT_NE(config.status().message().find("feature_store.yaml"), std::string::npos);
    for (const char* word : bad.words)
      EXPECT_NE(config.status().message().find(word), std::string::npos)
          << bad.text << "\nno \"" << word << "\" in: " << config.status().message();
  }
}

TEST_F(RepoConfigTest, APasswordIsNotRepeated) {
  const auto config = Load("project: p\nregistry: postgresql://user:hunter2@host/db\n");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().message().find("hunter2"), std::string::npos) << config.status().message();
}

TEST_F(RepoConfigTest, AMissingFileSaysWhatToDo) {
  const auto config = LoadRepoConfig(folder_ + "/nowhere", "", LogLevel::kWarn);
  EXPECT_EQ(config.status().code(), StatusCode::kNotFound);
  EXPECT_NE(config.status().message().find("salver init"), std::string::npos);
}

}  // namespace
}  // namespace salver
