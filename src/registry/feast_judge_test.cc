// Real Feast reads and rewrites a registry file that Salver wrote, and Salver reads on. SALVER_FEAST_PYTHON
// names a Python with Feast in it; without one this is skipped.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "registry/apply.h"
#include "registry/definitions_yaml.h"
#include "registry/file_registry.h"
#include "test/test_folder.h"

namespace salver {
namespace {

constexpr char kDefinitions[] =
    "entities: [{name: driver, join_keys: [driver_id], value_type: INT64}]\n"
    "sources: [{name: stats, path: stats.parquet, timestamp_field: ts, created_timestamp_column: made}]\n"
    "push_sources: [{name: pushed, batch_source: stats}]\n"
    "feature_views:\n"
    "  - name: driver_stats\n"
    "    entities: [driver]\n"
    "    ttl: 1d\n"
    "    schema: [{name: trips, dtype: Int64}, {name: who, dtype: 'Struct({name: String})'}]\n"
    "    source: pushed\n"
    "feature_services: [{name: ranking, features: [{driver_stats: [trips]}]}]\n";

// Prints what Feast sees, then commits an entity of its own.
constexpr char kFeast[] = R"(
import sys
from feast import Entity
from feast.infra.registry.registry import Registry
from feast.repo_config import RegistryConfig
registry = Registry("p", RegistryConfig(path=sys.argv[1]), None)
for view in registry.list_feature_views("p"):
    print(view.name, view.ttl, [(f.name, str(f.dtype)) for f in view.schema], view.stream_source.name,
          view.batch_source.path, view.materialization_intervals[0][1].isoformat(), view.state.name)
for service in registry.list_feature_services("p"):
    print(service.name, [(p.name, [f.name for f in p.features]) for p in service.feature_view_projections])
print([entity.name for entity in registry.list_entities("p")], [p.name for p in registry.list_projects()])
registry.apply_entity(Entity(name="of_feast", join_keys=["x"]), "p")
)";

TEST(FeastJudge, FeastSeesTheSameObjectsAndLosesNothing) {
  const char* python = ::getenv("SALVER_FEAST_PYTHON");
  if (python == nullptr || !std::filesystem::exists(python))
    GTEST_SKIP() << "SALVER_FEAST_PYTHON names no Python";
  const TestFolder new_folder;
  const std::string& folder = new_folder.path();
  const std::string path = folder + "/registry.db";
  auto registry = NewFileRegistry(Files::System(), Clock::System(), path);
  Definitions definitions;
  ParseYamlDefinitions({{"f.yaml", kDefinitions}}, &definitions);
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  const auto written = registry->Update([&](feast::core::Registry* next) {
    ApplyDefinitions(definitions, {"p", false, 1'795'225'059'000'000, ""}, next);
    return RecordInterval("p", "driver_stats", {0, 1'795'219'200'000'000}, 7, 1'795'225'060'000'000, next);
  });
  ASSERT_TRUE(written.ok()) << written.status().ToString();

  auto script = Files::System()->Create(folder + "/judge.py");
  ASSERT_TRUE(script.ok() && (*script)->Append(kFeast).ok() && (*script)->Close().ok());
  const std::string command = std::string(python) + " -W ignore " + folder + "/judge.py " + path + " > " +
                              folder + "/out.txt 2> " + folder + "/err.txt";
  ASSERT_EQ(std::system(command.c_str()), 0) << *Files::System()->Read(folder + "/err.txt");
  const std::string out = *Files::System()->Read(folder + "/out.txt");
  for (const char* expected :
       {"driver_stats 1 day, 0:00:00", "('trips', 'Int64')", "Struct({name: String})",
        "('driver_id', 'Int64')", " pushed stats.parquet 2026-11-21T00:00:00+00:00 AVAILABLE_ONLINE",
        "ranking [('driver_stats', ['trips'])]", "'driver'", "'__dummy'", "['p']"}) {
    EXPECT_NE(out.find(expected), std::string::npos) << "no " << expected << " in:\n" << out;
  }

  const auto read = registry->Load();
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_NE((*read)->version_id(), (*written)->version_id());
  EXPECT_EQ((*read)->entities_size(), (*written)->entities_size() + 1);
  EXPECT_EQ((*read)->feature_views(0).meta().materialization_intervals(0).rows_written(), 7);
  const auto next = registry->Update([](feast::core::Registry*) { return Status::OK(); });
  ASSERT_TRUE(next.ok());
  EXPECT_EQ((*next)->seal().number(), (*written)->seal().number() + 1);
}

}  // namespace
}  // namespace salver
