// apply on registries that hold something already: what changes, what stays, and what people are told.
#include "registry/apply.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "model/proto_time.h"
#include "registry/definitions_yaml.h"

namespace salver {
namespace {

using RegistryProto = feast::core::Registry;

constexpr char kText[] =
    "entities:\n"
    "  - {name: driver, join_keys: [driver_id], value_type: INT64}\n"
    "sources:\n"
    "  - {name: stats, path: stats.parquet, timestamp_field: ts}\n"
    "feature_views:\n"
    "  - name: driver_stats\n"
    "    entities: [driver]\n"
    "    ttl: 1d\n"
    "    schema: [{name: trips, dtype: Int64}, {name: rating, dtype: Float32}]\n"
    "    source: stats\n"
    "feature_services:\n"
    "  - {name: ranking, features: [driver_stats]}\n";

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

Definitions Parse(const std::string& text) {
  Definitions definitions;
  ParseYamlDefinitions({{"f.yaml", text}}, &definitions);
  return definitions;
}

Definitions Ready(Definitions definitions, const std::string& project = "p") {
  InferDefinitions(nullptr, project, &definitions);
  ValidateDefinitions(&definitions);
  EXPECT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  return definitions;
}

ApplyReport Apply(const std::string& text, int64_t now_us, RegistryProto* registry,
                  const std::string& project = "p", bool partial = false) {
  Definitions definitions = Parse(text);
  if (partial) KeepRegistered(*registry, project, {}, &definitions);
  return ApplyDefinitions(Ready(std::move(definitions), project), {project, partial, now_us, "/r/online.db"},
                          registry);
}

const ObjectChange* Find(const ApplyReport& report, const std::string& type) {
  for (const ObjectChange& change : report.changes) {
    if (change.type == type) return &change;
  }
  return nullptr;
}

std::string Property(const ObjectChange& change, const std::string& name) {
  for (const auto& property : change.properties) {
    if (property.name == name) return property.before + " -> " + property.after;
  }
  return "(same)";
}

TEST(Apply, TwiceIsOnce) {
  RegistryProto registry;
  const ApplyReport first = Apply(kText, 1'000'000, &registry);
  EXPECT_EQ(first.changes.size(),
            5u);  // project, entity, source, view, service; the stand-in entity is not said
  EXPECT_EQ(first.infra, std::vector<std::string>{"Created sqlite table p_driver_stats"});
  const RegistryProto before = registry;
  const ApplyReport second = Apply(kText, 2'000'000, &registry);
  EXPECT_TRUE(second.changes.empty());
  EXPECT_TRUE(second.infra.empty());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(registry, before));
}

TEST(Apply, SaysEachPropertyAndWhatItMeansForStoredData) {
  struct ChangeCase {
    const char *what, *with;
    const char* property;
    const char* difference;
    const char* stored;
    bool new_version;
  };
  const ChangeCase cases[] = {
      {"ttl: 1d", "ttl: 2h", "ttl", "1d -> 2h", "the new ttl decides", false},
      {"{name: rating, dtype: Float32}", "{name: rating, dtype: Float64}", "features",
       "trips INT64, rating FLOAT -> trips INT64, rating DOUBLE", "rating is null in stored rows until",
       true},
      {"{name: rating, dtype: Float32}", "{name: rating, dtype: Float32}, {name: km, dtype: Int64}",
       "features", "trips INT64, rating FLOAT -> trips INT64, rating FLOAT, km INT64",
       "km is null in stored rows until", true},
      {", {name: rating, dtype: Float32}", "", "features", "trips INT64, rating FLOAT -> trips INT64",
       "rating is no longer served", true},
      {"value_type: INT64", "value_type: STRING", "entity_columns", "driver_id INT64 -> driver_id STRING",
       "the join keys changed", true},
      {"    source: stats", "    source: stats\n    online: false", "online", "true -> false",
       "its stored rows are dropped", false},
      {"    source: stats", "    source: stats\n    owner: me", "owner", " -> me", "", false},
      {"    source: stats", "    source: stats\n    tags: {b: x, a: y}", "tags", " -> a: y, b: x", "", false},
      {"path: stats.parquet", "path: other.parquet", "batch_source", "other.parquet",
       "as the old source had them", false},
  };
  for (const ChangeCase& c : cases) {
    RegistryProto registry;
    Apply(kText, 1'000'000, &registry);
    ASSERT_TRUE(RecordInterval("p", "driver_stats", {1, 2}, 3, 1'500'000, &registry).ok());
    const ApplyReport report = Apply(Replaced(kText, c.what, c.with), 2'000'000, &registry);
    const ObjectChange* change = Find(report, "feature view");
    ASSERT_NE(change, nullptr) << c.with;
    EXPECT_EQ(change->kind, ObjectChange::Kind::kUpdated);
    EXPECT_NE(Property(*change, c.property).find(c.difference), std::string::npos)
        << Property(*change, c.property);
    EXPECT_NE(change->stored_data.find(c.stored), std::string::npos) << change->stored_data;
    EXPECT_EQ(change->stored_data.empty(), std::string(c.stored).empty()) << change->stored_data;
    const auto& meta = registry.feature_views(0).meta();
    EXPECT_EQ(MicrosOf(meta.created_timestamp()), 1'000'000);
    EXPECT_EQ(MicrosOf(meta.last_updated_timestamp()), 2'000'000);
    EXPECT_EQ(meta.materialization_intervals_size(), 1);
    EXPECT_EQ(meta.state(), feast::core::AVAILABLE_ONLINE);
    EXPECT_EQ(meta.current_version_number(), c.new_version ? 1 : 0) << c.with;
    EXPECT_EQ(registry.feature_view_version_history().records_size(), c.new_version ? 2 : 1);
    EXPECT_TRUE(Apply(Replaced(kText, c.what, c.with), 3'000'000, &registry).changes.empty()) << c.with;
  }
}

TEST(Apply, WhatIsGoneIsDeletedAndSaid) {
  RegistryProto registry;
  Apply(kText, 1, &registry);
  const std::string text = kText;
  const ApplyReport report = Apply(text.substr(0, text.find("feature_views:")), 2, &registry);
  EXPECT_EQ(report.infra, std::vector<std::string>{"Deleted sqlite table p_driver_stats"});
  const ObjectChange* change = Find(report, "feature view");
  ASSERT_NE(change, nullptr);
  EXPECT_EQ(change->kind, ObjectChange::Kind::kDeleted);
  EXPECT_EQ(change->stored_data, "its stored rows are dropped");
  EXPECT_NE(Find(report, "feature service"), nullptr);
  EXPECT_EQ(registry.feature_views_size(), 0);
  EXPECT_EQ(registry.entities_size(), 2);
  EXPECT_EQ(registry.feature_view_version_history().records_size(),
            0);  // as Feast: versions go with the view
  Apply(kText, 3, &registry);
  EXPECT_EQ(registry.feature_view_version_history().records_size(), 1);
  EXPECT_EQ(registry.feature_view_version_history().records(0).version_number(), 0);
}

TEST(Apply, AViewWithoutHistoryGetsItsOldVersionSavedFirst) {
  RegistryProto registry;
  Apply(kText, 1, &registry);
  registry.clear_feature_view_version_history();
  Apply(Replaced(kText, "dtype: Float32", "dtype: Float64"), 2, &registry);
  const auto& records = registry.feature_view_version_history().records();
  ASSERT_EQ(records.size(), 2);
  feast::core::FeatureView old_view, new_view;
  ASSERT_TRUE(old_view.ParseFromString(records[0].feature_view_proto()));
  ASSERT_TRUE(new_view.ParseFromString(records[1].feature_view_proto()));
  EXPECT_EQ(old_view.spec().features(1).value_type(), feast::types::ValueType::FLOAT);
  EXPECT_EQ(new_view.spec().features(1).value_type(), feast::types::ValueType::DOUBLE);
  EXPECT_EQ(records[1].version_number(), 1);
}

TEST(Apply, OtherProjectsAreNotTouched) {
  RegistryProto registry;
  Apply(kText, 1, &registry, "other");
  const RegistryProto before = registry;
  Apply(kText, 2, &registry, "mine");
  EXPECT_EQ(registry.feature_views_size(), 2);
  Apply("entities: []", 3, &registry, "mine");
  ASSERT_EQ(registry.feature_views_size(), 1);
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(registry.feature_views(0), before.feature_views(0)));
  EXPECT_EQ(registry.infra().infra_objects_size(), 1);
  EXPECT_EQ(registry.projects_size(), 2);
}

TEST(Apply, APartialApplyMayNameWhatIsRegisteredAndLeavesItAlone) {
  RegistryProto registry;
  Apply(kText, 1, &registry);
  const RegistryProto before = registry;
  const ApplyReport report = Apply("feature_services: [{name: second, features: [{driver_stats: [trips]}]}]",
                                   2, &registry, "p", true);
  ASSERT_EQ(report.changes.size(), 1u);
  EXPECT_EQ(report.changes[0].name, "second");
  EXPECT_EQ(registry.feature_services(1).spec().features(0).feature_columns(0).value_type(),
            feast::types::ValueType::INT64);
  registry.mutable_feature_services()->RemoveLast();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(registry, before));

  Definitions definitions = Parse("feature_services: [{name: third, features: [driver_stat]}]");
  KeepRegistered(registry, "p", {}, &definitions);
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  EXPECT_NE(definitions.ToStatus().message().find("Did you mean \"driver_stats\"?"), std::string::npos);
}

TEST(Materialized, IntervalsJoinAndKeepTheirCounts) {
  RegistryProto registry;
  Apply(kText, 1, &registry);
  const auto record = [&](int64_t start, int64_t end, int64_t rows) {
    ASSERT_TRUE(RecordInterval("p", "driver_stats", {start, end}, rows, 9, &registry).ok());
  };
  const auto intervals = [&] {
    std::string text;
    for (const auto& i : registry.feature_views(0).meta().materialization_intervals())
      text += std::to_string(MicrosOf(i.start_time())) + "-" + std::to_string(MicrosOf(i.end_time())) + ":" +
              std::to_string(i.rows_written()) + " ";
    return text;
  };
  record(10, 20, 1);
  record(30, 40, 2);
  EXPECT_EQ(intervals(), "10-20:1 30-40:2 ");
  record(40, 50, 4);
  EXPECT_EQ(intervals(), "10-20:1 30-50:6 ");
  record(60, 70, 0);
  record(15, 35, 8);
  EXPECT_EQ(intervals(), "10-50:15 60-70:0 ");
  const auto gone = RecordInterval("p", "driver_stat", {1, 2}, 0, 9, &registry);
  EXPECT_EQ(gone.reason(), Reason::kViewNotFound);
  EXPECT_EQ(RecordInterval("q", "driver_stats", {1, 2}, 0, 9, &registry).reason(), Reason::kViewNotFound);
  EXPECT_EQ(intervals(), "10-50:15 60-70:0 ");
}

TEST(Apply, APartialApplyDeletesWhatItIsToldTo) {
  RegistryProto registry;
  Apply(kText, 1, &registry);
  const auto delete_all = [&](const std::set<std::string>& deletes) {
    Definitions definitions;
    KeepRegistered(registry, "p", deletes, &definitions);
    InferDefinitions(nullptr, "p", &definitions);
    ValidateDefinitions(&definitions);
    const Status status = definitions.ToStatus();
    if (status.ok()) ApplyDefinitions(definitions, {"p", true, 2, "", deletes}, &registry);
    return status;
  };
  const RegistryProto before = registry;
  EXPECT_NE(delete_all({"entity:driver"}).message().find("driver"), std::string::npos);  // a view joins on it
  EXPECT_NE(delete_all({"entity:drivr"}).message().find("no entity of that name"), std::string::npos);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(registry, before));
  const int services = registry.feature_services_size();
  const std::string service = registry.feature_services(0).spec().name();
  ASSERT_TRUE(delete_all({"feature_service:" + service}).ok());
  EXPECT_EQ(registry.feature_services_size(), services - 1);
  EXPECT_EQ(registry.feature_views_size(), before.feature_views_size());
}

}  // namespace
}  // namespace salver
