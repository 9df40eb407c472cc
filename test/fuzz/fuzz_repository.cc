#include "test/fuzz/fuzz_repository.h"

#include <arrow/table.h>
#include <simdjson.h>

#include <fstream>
#include <stdexcept>

#include "salver/log.h"
#include "server/http/json_frame.h"

namespace salver::fuzz {
namespace {

constexpr std::string_view kDefinitions = R"(
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
  - {name: city, join_keys: [city_name], value_type: STRING}
sources:
  - {name: stats_source, path: nowhere/stats.parquet, timestamp_field: event_timestamp}
push_sources:
  - {name: stats_push, batch_source: stats_source}
feature_views:
  - name: stats
    entities: [driver]
    ttl: 1000000d
    source: stats_push
    schema:
      - {name: score, dtype: Float64}
      - {name: trips, dtype: Int32}
      - {name: city, dtype: String}
      - {name: seen, dtype: UnixTimestamp}
      - {name: good, dtype: Bool}
      - {name: picture, dtype: Bytes}
      - {name: names, dtype: Array(String)}
      - {name: rates, dtype: Array(Float32)}
      - {name: notes, dtype: Map}
  - name: weather
    entities: [city, driver]
    source: stats_push
    schema: [{name: trips, dtype: Int64}, {name: rain, dtype: Float32}]
feature_services:
  - {name: ranking, features: [stats, weather]}
)";

constexpr std::string_view kStats = R"({
"driver_id": [1, 2, 3], "score": [0.5, null, -1e300], "trips": [1, 2, null], "city": ["Oslo", "\"\\ü", null],
"seen": [1, null, 1700000000], "good": [true, false, null], "picture": ["abc", "", null],
"names": [["a", "b"], [], null], "rates": [[1.5, 2], [], null], "notes": [{"k": "v"}, {}, null],
"event_timestamp": ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]})";

void Must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

}  // namespace

FuzzRepository& FuzzRepository::Shared() {
  static FuzzRepository repository;
  return repository;
}

FuzzRepository::FuzzRepository() {
  std::ofstream(folder_.path() + "/feature_store.yaml")
      << "project: rides\nprovider: local\nregistry: registry.db\nonline_store: {type: memory}\n"
         "entity_key_serialization_version: 3\n";
  std::ofstream(folder_.path() + "/definitions.yaml") << kDefinitions;
  auto store = FeatureStore::Open(folder_.path());
  Must(store.status());
  store_ = std::move(*store);
  Must(ConfigureLog({.level = LogLevel::kOff}));  // most requests are wrong, and each would say so
  Must(store_->Apply({.skip_source_validation = true}).status());
  const auto view = (*store_->Snapshot())->GetView("stats").value();
  std::vector<Field> fields = view->features;
  fields.push_back({.name = "event_timestamp", .type = ValueType::kUnixTimestamp});
  simdjson::dom::parser parser;
  const auto rows = TableFromJson(parser.parse(kStats).get_object(), fields);
  Must(rows.status());
  Must(store_->WriteToOnlineStore("stats", **rows));
  // Slow routes find their queue full: what they do would change what later requests see.
  context_ = {store_.get(),
              &options_,
              &metrics_,
              &materializing_,
              [](HttpTurn, const std::function<void()>&) { return false; },
              [] { return ServerLoad{}; }};
}

}  // namespace salver::fuzz
