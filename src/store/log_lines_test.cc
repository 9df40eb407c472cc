// Each operation of a feature store is one line: what it was of, how many rows, how long; rooms have levels
// of their own.
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "salver/feature_store.h"
#include "salver/log.h"
#include "source/table_file.h"
#include "test/test_folder.h"

namespace salver {
namespace {

constexpr int64_t kNow = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z

std::shared_ptr<arrow::Table> Rows(int64_t count) {
  arrow::Int64Builder numbers;
  for (int64_t i = 0; i < count; ++i) (void)numbers.Append(i);
  const auto column = numbers.Finish().ValueOrDie();
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::TimestampBuilder times(micros, arrow::default_memory_pool());
  for (int64_t i = 0; i < count; ++i) (void)times.Append(kNow + i);
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", micros),
                     arrow::field("trips", arrow::int64())}),
      {column, times.Finish().ValueOrDie(), column});
}

class LogLines : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteTableFile(*Rows(7), folder_.path() + "/trips.parquet").ok());
    std::ofstream(folder_.path() + "/definitions.yaml") << R"(
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: trips, path: trips.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: trips, entities: [driver], schema: [{name: trips, dtype: Int64}], source: trips}
)";
  }
  void TearDown() override { EXPECT_TRUE(ConfigureLog({}).ok()); }

  // With `logging` in its configuration.
  void Open(const std::string& logging, const OpenOptions& options = {}) {
    std::ofstream(folder_.path() + "/feature_store.yaml")
        << "project: test\nregistry: registry.db\nonline_store: {type: sqlite, path: online.db}\n"
        << logging;
    auto store = FeatureStore::Open(folder_.path(), options);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
  }
  static std::string Lines(const std::function<Status()>& operation) {
    testing::internal::CaptureStderr();
    const Status status = operation();
    const std::string lines = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(status.ok()) << status.ToString();
    return lines;
  }
  std::unique_ptr<RetrievalJob> Job() const {
    return store_
        ->GetHistoricalFeatures(
            {.entities = Rows(3)->SelectColumns({0, 1}).ValueOrDie(), .features = {"trips:trips"}})
        .value();
  }

  const TestFolder folder_;
  std::unique_ptr<FeatureStore> store_;
};

TEST_F(LogLines, SayWhatWasDoneToWhatWithHowManyRows) {
  Open("logging: {level: info}\n");
  const auto says = [](const std::string& part, const std::function<Status()>& operation) {
    const std::string lines = Lines(operation);
    EXPECT_NE(lines.find(part), std::string::npos) << "no " << part << "\nin " << lines;
    EXPECT_NE(lines.find(", \"duration_us\": "), std::string::npos) << lines;
    EXPECT_NE(lines.find("\"level\": \"info\""), std::string::npos) << lines;
  };
  says(R"("room": "registry", "operation": "apply", "created": 4, "updated": 0, "deleted": 0)",
       [&] { return store_->Apply({}).status(); });
  says(R"("room": "retrieval", "operation": "get_historical_features", "views": "trips", "features": 1, )"
       R"("rows": 3, "columns": 3)",
       [&] { return Job()->Run().status(); });
  SavedDataset dataset{.name = "kept"};
  dataset.storage.path = "kept.parquet";
  says(R"("room": "registry", "operation": "create_saved_dataset", "dataset": "kept", "features": 1)",
       [&] { return store_->CreateSavedDataset(Job().get(), dataset, false).status(); });
  says(R"("room": "retrieval", "operation": "read_saved_dataset", "dataset": "kept")",
       [&] { return store_->ReadSavedDataset("kept").status(); });
  says(R"("room": "registry", "operation": "delete_saved_dataset", "dataset": "kept")",
       [&] { return store_->DeleteSavedDataset("kept"); });
  says(
      R"("room": "materialize", "operation": "materialize", "views": "trips", "rows_read": 7, "rows_written": 7)",
      [&] { return store_->Materialize({.start_us = kNow - 1, .end_us = kNow + 1000}).status(); });
  says(R"("room": "materialize", "operation": "write_to_online_store", "view": "trips", "rows": 2)",
       [&] { return store_->WriteToOnlineStore("trips", *Rows(2)); });
  says(R"("room": "materialize", "operation": "write_to_offline_store", "view": "trips", "rows": 2)",
       [&] { return store_->WriteToOfflineStore("trips", *Rows(2)); });
  says(R"("room": "retrieval", "operation": "pull_latest", "source": "trips")",
       [&] { return store_->PullLatest({.source = "trips", .join_keys = {"driver_id"}}).status(); });
  says(R"("room": "retrieval", "operation": "pull_all", "source": "trips")",
       [&] { return store_->PullAll({.source = "trips"}).status(); });
  says(R"("room": "registry", "operation": "teardown")", [&] { return store_->Teardown(); });
}

TEST_F(LogLines, RoomsHaveLevelsOfTheirOwn) {
  Open("logging: {level: off, rooms: {engine: debug, materialize: info}}\n");
  EXPECT_EQ(Lines([&] { return store_->Apply({}).status(); }), "");
  const std::string run = Lines([&] { return Job()->Run().status(); });
  EXPECT_NE(run.find(R"("level": "debug", "room": "engine", "operation": "run_plan", "nodes": )"),
            std::string::npos)
      << run;
  EXPECT_EQ(run.find("\"retrieval\""), std::string::npos) << run;
  const std::string written = Lines([&] { return store_->WriteToOnlineStore("trips", *Rows(2)); });
  EXPECT_NE(written.find("\"room\": \"materialize\""), std::string::npos) << written;
}

// One line a failure, whoever took part in it, and none where the caller says errors itself.
TEST_F(LogLines, AFailureIsOneWarning) {
  Open("");
  ASSERT_TRUE(store_->Apply({}).ok());
  const auto job = Job();
  std::filesystem::remove(folder_.path() + "/trips.parquet");
  const auto fail = [&] {
    EXPECT_EQ(job->Run().status().code(), StatusCode::kNotFound);
    return Status::OK();
  };
  const std::string lines = Lines(fail);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
  EXPECT_NE(lines.find(R"("level": "warn", "room": "retrieval", "operation": "get_historical_features", )"
                       R"("code": "NotFound", "error": "data source)"),
            std::string::npos)
      << lines;
  Open("", {.log_level = LogLevel::kOff});
  EXPECT_EQ(Lines(fail), "");
  Open("logging: {level: warn}\n", {.log_level = LogLevel::kOff});
  EXPECT_NE(Lines(fail), "") << "the configuration wins";
}

}  // namespace
}  // namespace salver
