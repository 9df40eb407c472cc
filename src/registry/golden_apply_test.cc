// Feast's quickstart, registered by Salver: the registry must be the one that Feast wrote, but for ids, times
// and pickled function bodies.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "model/proto_time.h"
#include "registry/apply.h"
#include "registry/difference.h"
#include "registry/file_registry.h"
#include "test/source_dir.h"

namespace salver {
namespace {

using google::protobuf::Message;
using RegistryProto = feast::core::Registry;

const std::string kQuickstart = std::string(kSourceDir) + "/test/golden/quickstart/";
constexpr int64_t kNow = 1795225059'957871;

std::shared_ptr<const RegistryProto> ReadRegistry(const std::string& name) {
  const auto bytes = Files::System()->Read(kQuickstart + name);
  EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
  auto registry = OpenSealedRegistry(*bytes, name);
  EXPECT_TRUE(registry.ok()) << registry.status().ToString();
  return *registry;
}

// The columns of data/driver_stats.parquet; the labels are declared in full and never opened.
Result<std::vector<SourceColumnInfo>> QuickstartColumns(const feast::core::DataSource& source) {
  EXPECT_EQ(source.file_options().uri(), "data/driver_stats.parquet");
  return std::vector<SourceColumnInfo>{{"event_timestamp", ValueType::kUnixTimestamp},
                                       {"driver_id", ValueType::kInt64},
                                       {"conv_rate", ValueType::kFloat},
                                       {"acc_rate", ValueType::kFloat},
                                       {"avg_daily_trips", ValueType::kInt32},
                                       {"created", ValueType::kUnixTimestamp},
                                       {"driver_metadata", ValueType::kString},
                                       {"driver_config", ValueType::kString},
                                       {"driver_profile", ValueType::kString}};
}

template <typename Spec>
void StripView(Spec* spec) {
  spec->clear_project();
  spec->clear_version();
  spec->clear_entity_columns();
  if (spec->entities_size() == 1 && spec->entities(0) == "__dummy") spec->clear_entities();
}

void StripSource(feast::core::DataSource* source) {
  source->clear_project();
  source->clear_meta();
  if (source->has_batch_source()) StripSource(source->mutable_batch_source());
}

void StripProjection(feast::core::FeatureViewProjection* projection) {
  projection->clear_timestamp_field();
  projection->clear_created_timestamp_column();
  projection->clear_batch_source();
  projection->clear_view_type();
}

// What a user wrote: the golden registry without what apply adds.
Definitions WrittenByTheUser(const RegistryProto& golden) {
  Definitions definitions;
  RegistryProto& to = definitions.registry;
  *to.mutable_projects() = golden.projects();
  for (const auto& entity : golden.entities()) {
    if (entity.spec().name() != "__dummy") *to.add_entities() = entity;
  }
  *to.mutable_data_sources() = golden.data_sources();
  *to.mutable_feature_views() = golden.feature_views();
  *to.mutable_on_demand_feature_views() = golden.on_demand_feature_views();
  *to.mutable_label_views() = golden.label_views();
  *to.mutable_feature_services() = golden.feature_services();
  for (auto& project : *to.mutable_projects()) project.clear_meta();
  for (auto& entity : *to.mutable_entities()) {
    entity.clear_meta();
    entity.mutable_spec()->clear_project();
  }
  for (auto& source : *to.mutable_data_sources()) StripSource(&source);
  for (auto& view : *to.mutable_feature_views()) {
    view.clear_meta();
    StripView(view.mutable_spec());
    StripSource(view.mutable_spec()->mutable_batch_source());
    if (view.spec().has_stream_source()) StripSource(view.mutable_spec()->mutable_stream_source());
  }
  for (auto& view : *to.mutable_label_views()) {
    view.clear_meta();
    view.mutable_spec()->clear_project();
    view.mutable_spec()->clear_entity_columns();
    StripSource(view.mutable_spec()->mutable_source());
  }
  for (auto& view : *to.mutable_on_demand_feature_views()) {
    view.clear_meta();
    StripView(view.mutable_spec());
    view.mutable_spec()->mutable_feature_transformation()->mutable_user_defined_function()->clear_body();
    for (auto& [name, source] : *view.mutable_spec()->mutable_sources()) {
      if (source.has_request_data_source()) StripSource(source.mutable_request_data_source());
      if (source.has_feature_view_projection()) StripProjection(source.mutable_feature_view_projection());
    }
  }
  for (auto& service : *to.mutable_feature_services()) {
    service.clear_meta();
    service.mutable_spec()->clear_project();
    for (auto& projection : *service.mutable_spec()->mutable_features()) {
      StripProjection(&projection);
      // driver_activity_v1 names one feature; the others take whole views.
      if (service.spec().name() != "driver_activity_v1") projection.clear_feature_columns();
    }
  }
  return definitions;
}

// Replaces every time by one time, so that only their presence is compared.
void LevelTimes(Message* message) {
  const auto* reflection = message->GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i)
        LevelTimes(reflection->MutableRepeatedMessage(message, field, i));
      continue;
    }
    Message* child = reflection->MutableMessage(message, field);
    if (auto* time = google::protobuf::DynamicCastToGenerated<google::protobuf::Timestamp>(child)) {
      time->set_seconds(1);
      time->set_nanos(0);
    }
    LevelTimes(child);
  }
}

void LevelIds(RegistryProto* registry) {
  registry->clear_seal();
  registry->set_version_id("id");
  for (auto& view : *registry->mutable_on_demand_feature_views())
    view.mutable_spec()->mutable_feature_transformation()->mutable_user_defined_function()->clear_body();
  for (auto& record : *registry->mutable_feature_view_version_history()->mutable_records()) {
    record.set_version_id("id");
    const auto level = [&](auto message) {  // the snapshot inside has times and bodies of its own
      ASSERT_TRUE(message.ParseFromString(record.feature_view_proto()));
      LevelTimes(&message);
      if constexpr (requires { message.mutable_spec()->mutable_feature_transformation(); }) {
        if (message.spec().has_feature_transformation())
          message.mutable_spec()
              ->mutable_feature_transformation()
              ->mutable_user_defined_function()
              ->clear_body();
      }
      record.set_feature_view_proto(message.DebugString());
    };
    if (record.feature_view_type() == "feature_view") level(feast::core::FeatureView());
    if (record.feature_view_type() == "on_demand_feature_view") level(feast::core::OnDemandFeatureView());
    if (record.feature_view_type() == "label_view") level(feast::core::LabelView());
  }
  LevelTimes(registry);
}

const ApplyRules kRules = {"quickstart", false, kNow, "/quickstart/feature_repo/data/online_store.db"};

Definitions Complete(Definitions definitions) {
  InferDefinitions(QuickstartColumns, "quickstart", &definitions);
  ValidateDefinitions(&definitions);
  EXPECT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  return definitions;
}

TEST(GoldenApply, TheQuickstartIsTheSameRegistry) {
  const auto golden = ReadRegistry("registry_after_apply.db");
  RegistryProto mine;
  const auto report = ApplyDefinitions(Complete(WrittenByTheUser(*golden)), kRules, &mine);
  EXPECT_EQ(report.changes.size(), 15u);
  EXPECT_EQ(report.infra.size(), 3u);
  mine.set_registry_schema_version("1");
  SetMicros(kNow, mine.mutable_last_updated());
  RegistryProto theirs = *golden;
  LevelIds(&mine);
  LevelIds(&theirs);
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  EXPECT_TRUE(differencer.Compare(theirs, mine)) << differences;
}

TEST(GoldenApply, OnFeastsRegistryNothingChangesAndNothingIsLost) {
  for (const char* name : {"registry_after_apply.db", "registry_after_materialize.db"}) {
    const auto golden = ReadRegistry(name);
    const auto definitions = Complete(WrittenByTheUser(*ReadRegistry("registry_after_apply.db")));
    RegistryProto registry = *golden;
    const auto report = ApplyDefinitions(definitions, kRules, &registry);
    EXPECT_TRUE(report.changes.empty()) << report.changes[0].type << " " << report.changes[0].name;
    EXPECT_TRUE(report.infra.empty());
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(registry, *golden));
  }
}

TEST(GoldenApply, AChangedViewKeepsWhatFeastPickled) {
  const auto golden = ReadRegistry("registry_after_apply.db");
  Definitions definitions = WrittenByTheUser(*golden);
  auto* view = definitions.registry.mutable_on_demand_feature_views(0)->mutable_spec();
  view->set_description("Now with a description");
  RegistryProto registry = *golden;
  auto report = ApplyDefinitions(Complete(definitions), kRules, &registry);
  ASSERT_EQ(report.changes.size(), 1u);
  ASSERT_EQ(report.changes[0].properties.size(), 1u);
  EXPECT_EQ(report.changes[0].properties[0].name, "description");
  EXPECT_EQ(report.changes[0].properties[0].after, "Now with a description");
  const auto function = [](const RegistryProto& of) {
    return of.on_demand_feature_views(0).spec().feature_transformation().user_defined_function();
  };
  EXPECT_FALSE(function(registry).body().empty());
  EXPECT_EQ(function(registry).body(), function(*golden).body());
  EXPECT_EQ(registry.feature_view_version_history().records_size(), 5);  // a description makes no new version

  definitions.registry.mutable_on_demand_feature_views(0)
      ->mutable_spec()
      ->mutable_feature_transformation()
      ->mutable_user_defined_function()
      ->set_body_text("def transformed_conv_rate(inputs): return inputs");
  report = ApplyDefinitions(Complete(definitions), kRules, &registry);
  ASSERT_EQ(report.changes.size(), 1u);
  EXPECT_EQ(function(registry).body(), "");  // another function: the old pickle is not its
  ASSERT_EQ(registry.feature_view_version_history().records_size(), 6);
  EXPECT_EQ(registry.feature_view_version_history().records(5).version_number(), 1);
  EXPECT_EQ(registry.on_demand_feature_views(0).meta().current_version_number(), 1);
}

TEST(GoldenApply, MaterializedLikeFeast) {
  RegistryProto mine = *ReadRegistry("registry_after_apply.db");
  RegistryProto theirs = *ReadRegistry("registry_after_materialize.db");
  for (const auto& view : theirs.feature_views()) {
    const auto& interval = view.meta().materialization_intervals(0);
    ASSERT_TRUE(RecordInterval("quickstart", view.spec().name(),
                               {MicrosOf(interval.start_time()), MicrosOf(interval.end_time())}, 0,
                               MicrosOf(view.meta().last_updated_timestamp()), &mine)
                    .ok());
  }
  mine.set_version_id(theirs.version_id());
  *mine.mutable_last_updated() = theirs.last_updated();
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  EXPECT_TRUE(differencer.Compare(theirs, mine)) << differences;
}

}  // namespace
}  // namespace salver
