#include "salver/feature_store_metadata.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "feast/core/Registry.pb.h"
#include "groups/group_fixture.h"
#include "salver/feature_store.h"

namespace salver {
namespace {

FeatureGroup Table(const FeatureGroupSchema& schema) {
  return {.schema = schema, .path = "t/" + schema.name, .format = "parquet"};
}

FeatureGroupSchema Named(const std::string& name, int version = 1) {
  FeatureGroupSchema schema = DriverStats();
  schema.name = name;
  schema.version = version;
  return schema;
}

TEST(FeatureStoreMetadata, AGroupComesBackAsItWasRegistered) {
  GroupRepository repository;
  const auto metadata = repository.Metadata();
  const auto registered = metadata->Register(Table(DriverStats()));
  ASSERT_TRUE(registered.ok()) << registered.status().ToString();
  const auto other = GroupRepository().Metadata();  // of another repository
  EXPECT_EQ(other->Get("driver_stats").status().reason(), Reason::kFeatureGroupNotFound);
  const auto group = repository.Metadata()->Get("driver_stats");  // another process would see it too
  ASSERT_TRUE(group.ok()) << group.status().ToString();
  EXPECT_EQ(group->schema.tags, DriverStats().tags);
  EXPECT_EQ(group->schema.features[1].metadata.at("unit"), "stars");
  EXPECT_TRUE(BreakingChanges(DriverStats(), group->schema).empty());
  EXPECT_TRUE(BreakingChanges(group->schema, DriverStats()).empty());
  EXPECT_EQ(group->view, "driver_stats_v1");
  EXPECT_EQ(group->created_us, repository.clock.now_us);
  EXPECT_EQ(*metadata->GetLastUpdated("driver_stats"), repository.clock.now_us);
  const auto features = metadata->ListFeatures("driver_stats@v1");
  ASSERT_TRUE(features.ok() && features->size() == 2) << features.status().ToString();
  EXPECT_EQ((*features)[0].schema.name, "trips");
  EXPECT_NE(metadata->Get("driver_stat").status().message().find("\"driver_stats\""), std::string::npos);
}

TEST(FeatureStoreMetadata, RegisteringTheSameAgainMakesNoVersionOfTheRegistry) {
  GroupRepository repository;
  const auto metadata = repository.Metadata();
  ASSERT_TRUE(metadata->Register(Table(DriverStats())).ok());
  const std::string before = (*repository.Context().registry->Load())->version_id();
  ASSERT_TRUE(metadata->Register(Table(DriverStats())).ok());
  EXPECT_EQ((*repository.Context().registry->Load())->version_id(), before);
}

TEST(FeatureStoreMetadata, VersionsLiveSideBySideAndABreakingChangeNeedsANewOne) {
  GroupRepository repository;
  const auto metadata = repository.Metadata();
  ASSERT_TRUE(metadata->Register(Table(DriverStats())).ok());
  FeatureGroupSchema changed = DriverStats();
  changed.features[0].data_type = DataType::kString;
  changed.features[0].metadata.clear();
  changed.features.pop_back();
  const Status refused = metadata->Register(Table(changed)).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), Reason::kMetadata);
  for (const char* part : {"Register it as version 2 instead", "feature \"rating\" is gone.",
                           "feature \"trips\": its data type changes from \"BIGINT\" to \"STRING\"."}) {
    EXPECT_NE(refused.message().find(part), std::string::npos) << refused.message();
  }
  EXPECT_EQ(metadata->Get("driver_stats")->schema.features.size(), 2u);
  changed.version = 2;
  ASSERT_TRUE(metadata->Register(Table(changed)).ok());
  EXPECT_EQ(metadata->Get("driver_stats")->schema.version, 2);
  EXPECT_EQ(metadata->Get("driver_stats", 1)->schema.features.size(), 2u);
  EXPECT_EQ(metadata->ListFeatureGroups(true)->size(), 2u);
  EXPECT_EQ(metadata->ListFeatureGroups(false)->size(), 1u);
  EXPECT_NE(metadata->Get("driver_stats", 3).status().message().find("Its newest is 2"), std::string::npos);
  // A compatible change of the older version is still welcome; a version between is not.
  FeatureGroupSchema first = DriverStats();
  first.features.push_back({.name = "late", .data_type = DataType::kDouble});
  EXPECT_TRUE(metadata->Register(Table(first)).ok());
  ASSERT_TRUE(metadata->Register(Table(Named("driver_stats", 5))).ok());
  EXPECT_NE(metadata->Register(Table(Named("driver_stats", 4))).status().message().find("Call it version 6"),
            std::string::npos);
}

TEST(FeatureStoreMetadata, LineageIsDirectAndThroughOthersAndNeverACycle) {
  GroupRepository repository;
  const auto metadata = repository.Metadata();
  for (const char* name : {"raw", "daily", "weekly"})
    ASSERT_TRUE(metadata->Register(Table(Named(name))).ok());
  ASSERT_TRUE(metadata->SetLineage("raw", {"s3://lake/trips"}).ok());
  ASSERT_TRUE(metadata->SetLineage("daily:trips", {"raw:trips"}).ok());
  ASSERT_TRUE(metadata->SetLineage("weekly", {"daily"}).ok());
  const auto weekly = metadata->GetLineage("weekly");
  ASSERT_TRUE(weekly.ok()) << weekly.status().ToString();
  EXPECT_EQ(weekly->inputs, (std::vector<std::string>{"daily"}));
  EXPECT_EQ(weekly->all_inputs, (std::vector<std::string>{"daily", "raw:trips", "s3://lake/trips"}));
  const auto raw = metadata->GetLineage("raw:trips");
  EXPECT_EQ(raw->dependents, (std::vector<std::string>{"daily:trips"}));
  EXPECT_EQ(raw->all_dependents, (std::vector<std::string>{"daily:trips", "weekly"}));
  EXPECT_EQ(metadata->GetLineage("s3://lake/trips")->all_dependents.size(), 3u);
  for (const auto& [node, input] :
       {std::pair("raw", "weekly"), std::pair("raw:trips", "weekly:rating"), std::pair("raw", "raw"),
        std::pair("raw", "raw:trips"), std::pair("daily:rating", "daily")}) {
    const Status refused = metadata->SetLineage(node, {input});
    EXPECT_EQ(refused.reason(), Reason::kMetadata) << node << " from " << input;
    EXPECT_NE(refused.message().find(std::string(node) + " -> "), std::string::npos) << refused.message();
  }
  EXPECT_EQ(metadata->GetLineage("raw")->inputs, (std::vector<std::string>{"s3://lake/trips"}));
  EXPECT_TRUE(metadata->SetLineage("daily:rating", {"daily:trips"}).ok()) << "from a feature beside it";
  EXPECT_EQ(metadata->SetLineage("rw", {"x"}).reason(), Reason::kFeatureGroupNotFound);
  EXPECT_EQ(metadata->SetLineage("raw:trip", {"x"}).reason(), Reason::kFeatureNotFound);
  EXPECT_EQ(metadata->SetLineage("raw", {"daily:tips"}).reason(), Reason::kFeatureNotFound);
  // A new version keeps what was said of the features that it still has.
  FeatureGroupSchema second = Named("daily", 2);
  second.features.pop_back();
  ASSERT_TRUE(metadata->Register(Table(second)).ok());
  EXPECT_EQ(metadata->GetLineage("daily:trips")->inputs, (std::vector<std::string>{"raw:trips"}));
}

TEST(FeatureStoreMetadata, HealthSaysWhatWasLookedAt) {
  GroupRepository repository;
  const auto store = repository.Materialized();
  ASSERT_TRUE(store->RegisterFeatureGroup(DriverStats()).ok());
  ASSERT_TRUE(store->WriteFeatures("driver_stats", *DriverRows({{1, 0, 3, 4}}), {}).ok());
  HealthReport report = store->CheckHealth();
  ASSERT_EQ(report.checks.size(), 4u);
  EXPECT_TRUE(report.healthy());
  EXPECT_EQ(report.checks[1].message, "1 rows in 1 files");
  EXPECT_GT(report.checks[1].duration_us, 0);
  std::filesystem::remove(repository.folder() + "/data/feature_groups/driver_stats_v1/00000001.parquet");
  report = store->CheckHealth();
  EXPECT_FALSE(report.healthy());
  EXPECT_FALSE(report.checks[1].ok);
  EXPECT_NE(report.checks[1].message.find("00000001.parquet"), std::string::npos) << report.checks[1].message;
  std::ofstream(repository.folder() + "/registry.db") << "no registry";
  report = repository.Metadata()->CheckHealth();
  EXPECT_FALSE(report.checks[0].ok);
}

TEST(FeatureStoreMetadata, ARegistryThatCanNotBeReadIsTheRegistrysFault) {
  GroupRepository repository;
  std::ofstream(repository.folder() + "/registry.db") << "no registry";
  EXPECT_EQ(repository.Metadata()->ListFeatureGroups(true).status().reason(), Reason::kFeatureRegistry);
  EXPECT_EQ(repository.Metadata()->Register(Table(DriverStats())).status().reason(),
            Reason::kFeatureRegistry);
}

TEST(FeatureStoreMetadata, ApplyLeavesFeatureGroupsAndTheirEntities) {
  GroupRepository repository;
  const auto path = repository.folder();
  std::ofstream(path + "/feature_store.yaml")
      << "project: test\nregistry: registry.db\nonline_store: {type: memory}\n";
  std::ofstream(path + "/d.yaml") << "entities: [{name: city, join_keys: [city_id], value_type: INT64}]\n";
  ASSERT_TRUE(repository.Metadata()->Register(Table(DriverStats())).ok());
  const auto store = FeatureStore::Open(path);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  const auto applied = (*store)->Apply({});
  ASSERT_TRUE(applied.ok()) << applied.status().ToString();
  for (const ObjectChange& change : applied->changes)
    EXPECT_EQ(change.kind, ObjectChange::Kind::kCreated) << change.name;
  EXPECT_TRUE(repository.Metadata()->Get("driver_stats").ok());
  const auto snapshot = (*store)->Reload();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().ToString();
  EXPECT_TRUE((*snapshot)->GetEntity("driver_id").ok());
  // A definition of the view's name is refused.
  std::ofstream(path + "/d.yaml") << "entities: [{name: city, join_keys: [city_id], value_type: INT64}]\n"
                                     "sources: [{name: s, path: s.parquet, timestamp_field: ts}]\n"
                                     "feature_views: [{name: driver_stats_v1, entities: [city], source: s,\n"
                                     "                 schema: [{name: x, dtype: Int64}]}]\n";
  const auto refused = (*store)->Apply({.skip_source_validation = true});
  EXPECT_NE(refused.status().message().find("the view of feature group \"driver_stats\" version 1"),
            std::string::npos)
      << refused.status().ToString();
}

// Prints what Feast sees, reads the table through its own offline store, then commits an entity of its own.
constexpr char kFeast[] = R"(
import sys
from feast import Entity
from feast.infra.registry.registry import Registry
from feast.repo_config import RegistryConfig
registry = Registry("test", RegistryConfig(path=sys.argv[1] + "/registry.db"), None)
for view in registry.list_feature_views("test"):
    print(view.name, [(f.name, str(f.dtype)) for f in view.schema], view.entities, view.batch_source.timestamp_field)
import pyarrow.dataset
view = registry.get_feature_view("driver_stats_v1", "test")
print(pyarrow.dataset.dataset(sys.argv[1] + "/" + view.batch_source.path).to_table().num_rows, "rows")
registry.apply_entity(Entity(name="of_feast", join_keys=["x"]), "test")
)";

TEST(FeatureStoreMetadata, FeastReadsTheRegistryAndLosesNothing) {
  const char* python = ::getenv("SALVER_FEAST_PYTHON");
  if (python == nullptr || !std::filesystem::exists(python))
    GTEST_SKIP() << "SALVER_FEAST_PYTHON names no Python";
  GroupRepository repository;
  const auto store = repository.Materialized();
  FeatureGroupSchema schema = DriverStats();
  schema.features.push_back({.name = "day", .data_type = DataType::kDate});
  schema.features.push_back(
      {.name = "at", .data_type = DataType::kStruct, .metadata = {{"fields", "{\"lat\": \"FLOAT64\"}"}}});
  ASSERT_TRUE(store->RegisterFeatureGroup(schema).ok());
  ASSERT_TRUE(store->WriteFeatures("driver_stats", *DriverRows({{1, 0, 3, 4}, {2, 1, 5, 4}}), {}).ok());
  ASSERT_TRUE(store->metadata()->SetLineage("driver_stats:trips", {"trips of the lake"}).ok());
  std::ofstream(repository.folder() + "/judge.py") << kFeast;
  const std::string out = repository.folder() + "/out.txt";
  const std::string command = std::string(python) + " -W ignore " + repository.folder() + "/judge.py " +
                              repository.folder() + " > " + out + " 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << *Files::System()->Read(out);
  const std::string text = *Files::System()->Read(out);
  for (const char* expected :
       {"driver_stats_v1", "('trips', 'Int64')", "('rating', 'Float64')", "('day', 'UnixTimestamp')",
        "('driver_id', 'Int64')", "['driver_id'] event_timestamp", "2 rows"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << "no " << expected << " in:\n" << text;
  }
  const auto registry = repository.Context().registry->Load();
  ASSERT_TRUE(registry.ok()) << registry.status().ToString();
  EXPECT_EQ((*registry)->entities_size(), 2);
  const auto group = repository.Metadata()->Get("driver_stats");
  ASSERT_TRUE(group.ok()) << group.status().ToString();
  EXPECT_EQ(group->schema.features[1].metadata.at("unit"), "stars");
  EXPECT_EQ(repository.Metadata()->GetLineage("driver_stats:trips")->inputs.size(), 1u);
}

}  // namespace
}  // namespace salver
