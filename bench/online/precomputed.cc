// Precomputed feature services beside the same services read view by view, in this process: no network and no
// JSON, so what is measured is planning, keys, the store's read and the answer.
//
//   salver_precomputed ROUNDS [FOLDER]
//
// 10,000 entities, 25 views of 10 INT64 features on lmdb, in FOLDER, which is kept, or a temporary folder;
// services of the first 5 and of all 25 views, each twice. Every round times each service with 1, 10 and 100
// random entities, the two kinds in turn. Prints a line for each shape: the medians, in microseconds a
// request, and that of the rounds' ratios.
#include <arrow/builder.h>
#include <arrow/table.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "salver/feature_store.h"

namespace {

using namespace salver;

constexpr int kEntities = 10'000, kViews = 25, kFeatures = 10;
constexpr int kSizes[] = {1, 10, 100}, kServices[] = {5, 25};
constexpr double kSliceSeconds = 0.1;

template <typename T>
T Must(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "error: %s\n", result.status().ToString().c_str());
  std::exit(1);
}
void Must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "error: %s\n", status.ToString().c_str());
  std::exit(1);
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string Definitions(bool precompute) {
  std::string yaml =
      "entities:\n  - {name: driver, join_keys: [driver_id], value_type: INT64}\nsources:\n"
      "  - {name: rows, path: rows.parquet, timestamp_field: event_timestamp}\nfeature_views:\n";
  for (int view = 0; view < kViews; ++view) {
    yaml += "  - {name: view_" + std::to_string(view) + ", entities: [driver], source: rows, schema: [";
    for (int feature = 0; feature < kFeatures; ++feature)
      yaml += "{name: f" + std::to_string(feature) + ", dtype: Int64}, ";
    yaml += "]}\n";
  }
  yaml += "feature_services:\n";
  for (const int views : kServices) {
    for (const char* kind : {"plain", "packed"}) {
      yaml += std::string("  - {name: ") + kind + std::to_string(views) +
              ", precompute_online: " + (precompute && kind == std::string("packed") ? "true" : "false") +
              ", features: [";
      for (int view = 0; view < views; ++view) yaml += "view_" + std::to_string(view) + ", ";
      yaml += "]}\n";
    }
  }
  return yaml;
}

// Of all entities, or of `count` random ones.
std::shared_ptr<arrow::Table> Rows(int count, std::mt19937_64* random) {
  arrow::Int64Builder ids;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  for (int64_t row = 0; row < count; ++row) {
    (void)ids.Append(count == kEntities ? row : static_cast<int64_t>((*random)() % kEntities));
    (void)times.Append(1'700'000'000'000'000);
  }
  arrow::FieldVector fields = {arrow::field("driver_id", arrow::int64()),
                               arrow::field("event_timestamp", times.type())};
  arrow::ArrayVector columns = {ids.Finish().ValueOrDie(), times.Finish().ValueOrDie()};
  for (int feature = 0; feature < kFeatures; ++feature) {
    arrow::Int64Builder values;
    for (int row = 0; row < count; ++row) (void)values.Append(static_cast<int64_t>((*random)() >> 1));
    fields.push_back(arrow::field("f" + std::to_string(feature), arrow::int64()));
    columns.push_back(values.Finish().ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(fields), columns);
}

// `service` must outlive the requests.
std::vector<OnlineRequest> Requests(const std::string& service, int size) {
  std::mt19937_64 random(2026);
  std::vector<OnlineRequest> requests;
  for (int i = 0; i < 500; ++i) {
    EntityColumn keys{"driver_id", {}};
    for (int k = 0; k < size; ++k) keys.values.emplace_back(static_cast<int64_t>(random() % kEntities));
    OnlineRequest request{.feature_service = service, .full_feature_names = true};
    request.entities.push_back(std::move(keys));
    requests.push_back(std::move(request));
  }
  return requests;
}

// Microseconds a request, of requests in turn for a slice of time.
double Time(FeatureStore* store, const std::vector<OnlineRequest>& requests) {
  size_t done = 0;
  const double begin = Seconds();
  double now = begin;
  for (; now < begin + kSliceSeconds; now = Seconds()) {
    for (int i = 0; i < 20; ++i)
      (void)Must(store->GetOnlineFeatures(requests[done++ % requests.size()], Deadline::Never()));
  }
  return (now - begin) * 1e6 / static_cast<double>(done);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Microseconds that a write of 100 random rows takes.
double TimeWrites(FeatureStore* store, std::mt19937_64* random) {
  std::vector<double> all;
  for (int i = 0; i < 200; ++i) {
    const auto rows = Rows(100, random);
    const double begin = Seconds();
    Must(store->WriteToOnlineStore("view_0", *rows));
    all.push_back((Seconds() - begin) * 1e6);
  }
  return Median(all);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 11;
  const bool keep = argc > 2;
  const std::filesystem::path folder =
      keep ? std::filesystem::path(argv[2])
           : std::filesystem::temp_directory_path() / ("salver_precomputed_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "feature_store.yaml")
      << "project: bench\nregistry: registry.db\nonline_store: {type: lmdb, path: online, sync: false}\n";
  std::ofstream(folder / "definitions.yaml") << Definitions(false);
  const auto store = Must(FeatureStore::Open(folder.string()));
  (void)Must(store->Apply({.skip_source_validation = true}));
  std::mt19937_64 random(1);
  for (int view = 0; view < kViews; ++view)
    Must(store->WriteToOnlineStore("view_" + std::to_string(view), *Rows(kEntities, &random)));
  const double write_us = TimeWrites(store.get(), &random);
  std::ofstream(folder / "definitions.yaml") << Definitions(true);
  const double begin = Seconds();
  (void)Must(store->Apply({.skip_source_validation = true}));
  std::printf("apply that fills the packs: %.2f s\n", Seconds() - begin);
  std::printf("write of 100 rows: in no pack %.0f us, in two %.0f us\n", write_us,
              TimeWrites(store.get(), &random));
  for (const int views : kServices) {
    for (const int size : kSizes) {
      const std::string names[] = {"plain" + std::to_string(views), "packed" + std::to_string(views)};
      const auto plain = Requests(names[0], size), packed = Requests(names[1], size);
      std::vector<double> plain_us, packed_us, ratios;
      for (int round = -1; round < rounds; ++round) {  // the first warms
        const double one = Time(store.get(), round % 2 ? plain : packed);
        const double other = Time(store.get(), round % 2 ? packed : plain);
        if (round < 0) continue;
        plain_us.push_back(round % 2 ? one : other);
        packed_us.push_back(round % 2 ? other : one);
        ratios.push_back(plain_us.back() / packed_us.back());
      }
      std::printf("%3d entities x %3d features: views %8.2f us, precomputed %8.2f us, %.2f times as many\n",
                  size, views * kFeatures, Median(plain_us), Median(packed_us), Median(ratios));
      std::fflush(stdout);
    }
  }
  if (!keep) std::filesystem::remove_all(folder);
}
