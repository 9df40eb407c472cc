#include "store/repo_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace salver {
namespace {

class RepoConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / ("config-" + std::to_string(::getpid()))).string();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Result<RepoConfig> Load(const std::string& yaml) {
    std::ofstream(folder_ + "/feature_store.yaml") << yaml;
    return LoadRepoConfig(folder_, "");
  }
  std::string folder_;
};

TEST_F(RepoConfigTest, ReadsEveryFormThatFeastAccepts) {
  const auto plain = Load("project: p\nregistry: data/r.db\n");
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  EXPECT_EQ(plain->registry_path, folder_ + "/data/r.db");
  EXPECT_EQ(plain->online_store_type, "sqlite");  // as Feast, when none is named
  EXPECT_EQ(plain->online_store_path, folder_ + "/data/online.db");
  EXPECT_EQ(plain->entity_key_version, 3);

  const auto full = Load(
      "project: p\nprovider: local\nregistry: {registry_type: file, path: /abs/r.db, cache_ttl_seconds: 5}\n"
      "online_store: {type: lmdb, path: data/o, sync: false}\noffline_store: {type: dask}\nauth: {type: "
      "no_auth}\n"
      "entity_key_serialization_version: 2\nserving: {expired_values: serve}\n");
  ASSERT_TRUE(full.ok()) << full.status().ToString();
  EXPECT_EQ(full->registry_path, "/abs/r.db");
  EXPECT_EQ(full->registry_cache_ttl_s, 5);
  EXPECT_FALSE(full->online_store_sync);
  EXPECT_TRUE(full->serve_expired_values);
  EXPECT_EQ(full->entity_key_version, 2);

  EXPECT_EQ(Load("project: p\nonline_store: null\n")->online_store_type, "");
  EXPECT_EQ(Load("project: p\nonline_store: 'none'\n")->online_store_type, "");
  EXPECT_EQ(Load("project: p\nonline_store: memory\n")->online_store_type, "memory");
}

TEST_F(RepoConfigTest, ExpandsTheEnvironmentAndLeavesUnknownNamesAsTheyAre) {
  ::setenv("SALVER_TEST_NAME", "from_environment", 1);
  EXPECT_EQ(Load("project: ${SALVER_TEST_NAME}\n")->project, "from_environment");
  EXPECT_EQ(Load("project: $SALVER_TEST_NAME\n")->project, "from_environment");
  EXPECT_EQ(Load("project: p\nregistry: ${SALVER_NOT_SET}/r.db\n")->registry_path,
            folder_ + "/${SALVER_NOT_SET}/r.db");
  ::unsetenv("SALVER_TEST_NAME");
}

TEST_F(RepoConfigTest, RefusesEveryBadConfigurationWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no mapping"},
      {"- project\n", "no mapping"},
      {"projct: p\n", "Did you mean \"project\"?"},
      {"registry: r.db\n", "\"project\" is missing"},
      {"project: _p\n", "no project name"},
      {"project: -p\n", "no project name"},
      {"project: 'a b'\n", "no project name"},
      {"project: a/b\n", "no project name"},
      {"project: [a]\n", "\"project\" is missing"},
      {"project: p\nregistry: {pth: x}\n", "Did you mean \"path\"?"},
      {"project: p\nregistry: {registry_type: sql, path: x}\n", "registry_type \"sql\""},
      {"project: p\nregistry: s3://bucket/r.db\n", "not a local file"},
      {"project: p\nregistry: {path: x, cache_ttl_seconds: soon}\n", "feature_store.yaml:2"},
      {"project: p\nonline_store: {type: lmdb, sync: perhaps}\n", "feature_store.yaml:2"},
      {"project: p\nonline_store: redis\n", "\"redis\" is not in this build"},
      {"project: p\nonline_store: sqlit\n", "Did you mean \"sqlite\"?"},
      {"project: p\nonline_store: {type: lmdb, pth: x}\n", "Did you mean \"path\"?"},
      {"project: p\nonline_store: {type: sqlite, syncc: x}\n", "is not known"},
      {"project: a-b\nonline_store: {type: sqlite}\n", "has a - in its name"},
      {"project: p\noffline_store: bigquery\n", "\"bigquery\" is not in this release"},
      {"project: p\nauth: {type: oidc}\n", "let everyone in"},
      {"project: p\nentity_key_serialization_version: 1\n", "is not supported"},
      {"project: p\nentity_key_serialization_version: three\n", "is not supported"},
      {"project: p\nserving: {expired_values: maybe}\n", "neither null nor serve"},
      {"project: p\nserving: {expird_values: serve}\n", "Did you mean \"expired_values\"?"},
      {"project: p\nregistry: {path: [\n", "feature_store.yaml:"},
      {"project: p\n\tregistry: x\n", "feature_store.yaml:"},
  };
  for (const auto& [yaml, message] : cases) {
    const Status status = Load(yaml).status();
    ASSERT_FALSE(status.ok()) << yaml;
    EXPECT_EQ(status.reason(), Reason::kBadConfig) << yaml;
    EXPECT_NE(status.message().find(message), std::string::npos) << yaml << "\n" << status.message();
    EXPECT_NE(status.message().find("feature_store.yaml"), std::string::npos) << status.message();
  }
}

TEST_F(RepoConfigTest, FolderWithoutConfigurationSaysWhatToDo) {
  const Status status = LoadRepoConfig(folder_, "").status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_NE(status.message().find("salver init"), std::string::npos);
}

}  // namespace
}  // namespace salver
