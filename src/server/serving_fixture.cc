#include "server/serving_fixture.h"

#include <arrow/api.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace salver {
namespace {

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> ArrayOf(Builder&& builder, const std::vector<Value>& values) {
  for (const Value& value : values) EXPECT_TRUE(builder.Append(value).ok());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Table> TwoDrivers() {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  constexpr int64_t kFirst = 1767225600'000'000, kDay = 86400'000'000;  // 2026-01-01
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("score", arrow::float64()),
                     arrow::field("trips", arrow::int64()), arrow::field("city", arrow::utf8()),
                     arrow::field("event_timestamp", micros)}),
      {ArrayOf(arrow::Int64Builder(), std::vector<int64_t>{1, 2}),
       ArrayOf(arrow::DoubleBuilder(), std::vector<double>{0.5, 0.25}),
       ArrayOf(arrow::Int64Builder(), std::vector<int64_t>{10, 20}),
       ArrayOf(arrow::StringBuilder(), std::vector<std::string>{"Oslo", "Rome"}),
       ArrayOf(arrow::TimestampBuilder(micros, arrow::default_memory_pool()),
               std::vector<int64_t>{kFirst, kFirst + kDay})});
}

}  // namespace

std::string_view ServingFixture::Definitions() {
  return R"(
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats_source, path: data/stats.parquet, timestamp_field: event_timestamp}
push_sources:
  - {name: stats_push, batch_source: stats_source}
feature_views:
  - name: stats
    entities: [driver]
    source: stats_push
    schema: [{name: score, dtype: Float64}, {name: trips, dtype: Int64}, {name: city, dtype: String}]
  - name: totals
    entities: [driver]
    source: stats_push
    schema: [{name: trips, dtype: Int64}, {name: total, dtype: Int64}]
feature_services:
  - {name: ranking, features: [stats]}
)";
}

ServingFixture::ServingFixture() {
  char name[] = "/tmp/salver_server_XXXXXX";
  folder_ = ::mkdtemp(name);
  WriteFile(folder_ + "/feature_store.yaml",
            "project: rides\nprovider: local\nregistry: registry.db\n"
            "online_store: {type: lmdb, path: online.lmdb}\nentity_key_serialization_version: 3\n");
  WriteDefinitions(Definitions());
  auto store = FeatureStore::Open(folder_);
  if (!store.ok()) throw std::runtime_error(store.status().ToString());
  store_ = std::make_unique<HookedStore>(std::move(*store));
  const auto applied = store_->Apply({.skip_source_validation = true});
  if (!applied.ok()) throw std::runtime_error(applied.status().ToString());
  const Status written = store_->WriteToOnlineStore("stats", *TwoDrivers());
  if (!written.ok()) throw std::runtime_error(written.ToString());
}

ServingFixture::~ServingFixture() {
  server_.reset();
  store_.reset();
  std::filesystem::remove_all(folder_);
}

void ServingFixture::WriteDefinitions(std::string_view yaml) const {
  WriteFile(folder_ + "/definitions.yaml", yaml);
}

void ServingFixture::Serve(HttpServerOptions options) {
  options.port = 0;
  auto server = HttpServer::Start(store_.get(), options);
  if (!server.ok()) throw std::runtime_error(server.status().ToString());
  server_ = std::move(*server);
}

}  // namespace salver
