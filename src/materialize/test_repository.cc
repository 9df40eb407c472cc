#include "materialize/test_repository.h"

#include <gtest/gtest.h>

#include "engine/local_engine.h"
#include "feast/core/Registry.pb.h"
#include "model/proto_time.h"
#include "registry/apply.h"
#include "registry/file_registry.h"
#include "salver/entity_key.h"
#include "salver/offline_store.h"
#include "source/table_reader.h"

namespace salver {
namespace {

constexpr char kRegistry[] = "data/registry.db";

// Reads a table, and knows which one it is.
class VersionedReader final : public SourceReader {
 public:
  VersionedReader(std::unique_ptr<SourceReader> reader, std::string version)
      : reader_(std::move(reader)), version_(std::move(version)) {}
  const std::shared_ptr<arrow::Schema>& schema() const override { return reader_->schema(); }
  const std::vector<RowGroup>& row_groups() const override { return reader_->row_groups(); }
  int file_count() const override { return 1; }
  std::string Version() const override { return version_; }
  Result<std::shared_ptr<arrow::Table>> Read(std::span<const int> groups,
                                             const std::vector<std::string>& columns) override {
    return reader_->Read(groups, columns);
  }

 private:
  const std::unique_ptr<SourceReader> reader_;
  const std::string version_;
};

class TableStore final : public OfflineStore {
 public:
  explicit TableStore(std::shared_ptr<arrow::Table> table) : table_(std::move(table)) {}
  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource&) override { return table_->schema(); }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource&, const SourceNeeds&) override {
    return std::unique_ptr<SourceReader>(
        new VersionedReader(NewTableReader(table_, "ts"), std::to_string(table_->num_rows())));
  }
  Status Append(const DataSource&, const arrow::Table&) override { return Status::Unimplemented("no"); }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string&) override {
    return Status::Unimplemented("no");
  }

 private:
  const std::shared_ptr<arrow::Table> table_;
};

}  // namespace

std::string KeyOfId(int64_t id) {
  const Field join_key{.name = "driver_id", .type = ValueType::kInt64};
  std::string key = EntityKeyEncoder::Make(std::span(&join_key, 1))->prefix();
  EntityKeyEncoder::AppendInt64(id, &key);
  return key;
}

TestRepository::TestRepository(Files* registry_files, size_t padding)
    : files_(registry_files), padding_(padding) {}

Status TestRepository::Apply() {
  Definitions definitions;
  auto* entity = definitions.registry.add_entities()->mutable_spec();
  entity->set_name("driver");
  entity->set_join_key("driver_id");
  entity->set_value_type(feast::types::ValueType::INT64);
  auto* source = definitions.registry.add_data_sources();
  source->set_name("stats");
  source->set_type(feast::core::DataSource::BATCH_FILE);
  source->set_timestamp_field("ts");
  source->set_created_timestamp_column("created");
  source->mutable_file_options()->set_uri("stats.parquet");
  auto* view = definitions.registry.add_feature_views()->mutable_spec();
  view->set_name("driver_stats");
  view->add_entities("driver");
  view->set_online(true);
  *view->mutable_batch_source() = *source;
  for (const auto& [name, type] : {std::pair("value", feast::types::ValueType::INT64),
                                   std::pair("padding", feast::types::ValueType::STRING)}) {
    auto* feature = view->add_features();
    feature->set_name(name);
    feature->set_value_type(type);
  }
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  SALVER_RETURN_NOT_OK(definitions.ToStatus());
  return NewFileRegistry(files_, Clock::System(), kRegistry)
      ->Update([&](feast::core::Registry* registry) {
        ApplyDefinitions(definitions, {"p", false, 1000, ""}, registry);
        return Status::OK();
      })
      .status();
}

std::shared_ptr<arrow::Table> TestRepository::TableOf(const std::vector<HistoryRow>& rows) const {
  arrow::Int64Builder ids, values;
  arrow::TimestampBuilder events(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                 arrow::default_memory_pool());
  arrow::TimestampBuilder created(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
  arrow::StringBuilder padding;
  for (const HistoryRow& row : rows) {
    EXPECT_TRUE(ids.Append(row.id).ok() && values.Append(row.value).ok() &&
                events.Append(row.event_us).ok() && created.Append(row.created_us).ok() &&
                padding.Append(std::string(padding_, 'x')).ok());
  }
  const auto time = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("ts", time),
                     arrow::field("created", time), arrow::field("value", arrow::int64()),
                     arrow::field("padding", arrow::utf8())}),
      {*ids.Finish(), *events.Finish(), *created.Finish(), *values.Finish(), *padding.Finish()});
}

std::shared_ptr<const FeatureView> TestRepository::view() {
  auto proto = NewFileRegistry(files_, Clock::System(), kRegistry)->Load();
  EXPECT_TRUE(proto.ok()) << proto.status().ToString();
  return *(*RegistrySnapshot::Make(*proto, "p"))->GetView("driver_stats");
}

std::vector<std::pair<TimeInterval, int64_t>> TestRepository::Intervals(Files* files) {
  std::vector<std::pair<TimeInterval, int64_t>> intervals;
  const auto registry = NewFileRegistry(files, Clock::System(), kRegistry)->Load();
  if (!registry.ok()) return intervals;
  for (const auto& one : (*registry)->feature_views(0).meta().materialization_intervals()) {
    intervals.push_back({{MicrosOf(one.start_time()), MicrosOf(one.end_time())}, one.rows_written()});
  }
  return intervals;
}

Result<MaterializeReport> TestRepository::Materialize(OnlineStore* store, const std::vector<HistoryRow>& rows,
                                                      int64_t start_us, int64_t end_us,
                                                      MaterializeOptions options) {
  const auto registry = NewFileRegistry(files_, Clock::System(), kRegistry);
  SALVER_ASSIGN(auto proto, registry->Load());
  SALVER_ASSIGN(const auto snapshot, RegistrySnapshot::Make(std::move(proto), "p"));
  TableStore offline(TableOf(rows));
  const auto engine = NewLocalEngine();
  options.start_us = start_us;
  options.end_us = end_us;
  return salver::Materialize(*snapshot, options,
                             {.offline = &offline,
                              .project = "p",
                              .registry = registry.get(),
                              .online_store = store,
                              .engine = engine.get(),
                              .spill_folder = testing::TempDir() + "/spill"});
}

Status TestRepository::Push(OnlineStore* store, const std::vector<HistoryRow>& rows) {
  SALVER_ASSIGN(const ViewRows prepared, PrepareRows(view(), *TableOf(rows)));
  return WriteRows(prepared, {.online_store = store});
}

}  // namespace salver
