// Rows of one source as a stream, entity rows by name, and training sets that are kept.
#include "retrieval/pull.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/local_engine.h"
#include "retrieval/entity_rows.h"
#include "retrieval/test_repository.h"
#include "source/table_file.h"

namespace salver {
namespace {

constexpr int64_t kSecond = 1'000'000;

// Row i: driver i % 3, at second i, trips = i; two rows a row group.
std::shared_ptr<arrow::Table> Rows(int64_t count) {
  std::vector<std::optional<int64_t>> drivers, times, trips;
  for (int64_t i = 0; i < count; ++i) {
    drivers.push_back(i % 3);
    times.push_back(i * kSecond);
    trips.push_back(i);
  }
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", UtcMicros()),
                     arrow::field("trips", arrow::int64())}),
      {ColumnOf(drivers, arrow::int64()), ColumnOf(times, UtcMicros()), ColumnOf(trips, arrow::int64())});
}

std::vector<int64_t> Numbers(const arrow::Table& table, const std::string& column) {
  std::vector<int64_t> numbers;
  for (const auto& chunk : table.GetColumnByName(column)->chunks()) {
    const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < values.length(); ++i) numbers.push_back(values.Value(i));
  }
  return numbers;
}

class PullTest : public testing::Test {
 protected:
  void SetUp() override {
    repository_.Write(*Rows(10), "stats.parquet", 2);
    repository_.Add({.name = "stats",
                     .path = "stats.parquet",
                     .join_keys = {{.name = "driver_id", .type = ValueType::kInt64}},
                     .features = {{.name = "trips", .type = ValueType::kInt64}}});
  }
  RetrievalContext Context() const { return {.offline = repository_.Offline(), .engine = NewLocalEngine()}; }

  TestRepository repository_;
};

TEST_F(PullTest, AllRowsOfARangeInTheOrderOfTheSource) {
  const PullRequest request{
      .source = "stats_source", .join_keys = {"driver_id"}, .start_us = 3 * kSecond, .end_us = 6 * kSecond};
  const auto stream = PullAll(*repository_.Snapshot(), request, Context());
  ASSERT_TRUE(stream.ok()) << stream.status().ToString();
  const auto table = (*stream)->ToTable().ValueOrDie();
  EXPECT_EQ(table->ColumnNames(), (std::vector<std::string>{"driver_id", "trips", "event_timestamp"}));
  EXPECT_EQ(Numbers(*table, "trips"), (std::vector<int64_t>{3, 4, 5, 6}));
}

TEST_F(PullTest, AllRowsComeARowGroupAtATime) {
  const auto stream = PullAll(*repository_.Snapshot(), {.source = "stats_source"}, Context());
  ASSERT_TRUE(stream.ok()) << stream.status().ToString();
  std::vector<int64_t> rows;
  std::shared_ptr<arrow::RecordBatch> batch;
  while ((*stream)->ReadNext(&batch).ok() && batch != nullptr) rows.push_back(batch->num_rows());
  EXPECT_EQ(rows, (std::vector<int64_t>{2, 2, 2, 2, 2}));
}

TEST_F(PullTest, NewestRowOfEachKey) {
  const PullRequest request{.source = "stats_source", .join_keys = {"driver_id"}, .end_us = 7 * kSecond};
  const auto stream = PullLatest(*repository_.Snapshot(), request, Context());
  ASSERT_TRUE(stream.ok()) << stream.status().ToString();
  const auto table = (*stream)->ToTable().ValueOrDie();
  EXPECT_EQ(table->ColumnNames(), (std::vector<std::string>{"driver_id", "trips", "event_timestamp"}));
  EXPECT_EQ(Numbers(*table, "trips"), (std::vector<int64_t>{5, 6, 7}));
}

TEST_F(PullTest, UnknownSourceAndColumnAreNamed) {
  const auto snapshot = repository_.Snapshot();
  const Status source = PullAll(*snapshot, {.source = "stat_source"}, Context()).status();
  EXPECT_EQ(source.reason(), Reason::kObjectNotFound) << source.ToString();
  const Status column =
      PullLatest(*snapshot, {.source = "stats_source", .join_keys = {"driver_i"}}, Context()).status();
  EXPECT_EQ(column.reason(), Reason::kMissingColumns) << column.ToString();
  EXPECT_NE(column.message().find("Did you mean \"driver_id\"?"), std::string::npos) << column.ToString();
}

// A source that is replaced or removed while a stream reads it: the rows it began with, or an error; the new
// file's rows never mix with the old ones.
TEST_F(PullTest, SourceThatChangesWhileItIsRead) {
  const auto first_then = [&](const std::function<void(const std::string& path)>& change) {
    const auto stream = PullAll(*repository_.Snapshot(), {.source = "stats_source"}, Context());
    EXPECT_TRUE(stream.ok()) << stream.status().ToString();
    std::shared_ptr<arrow::RecordBatch> batch;
    EXPECT_TRUE((*stream)->ReadNext(&batch).ok());
    change(repository_.folder() + "/stats.parquet");
    return (*stream)->ToTable();
  };
  const auto rest = std::vector<int64_t>{2, 3, 4, 5, 6, 7, 8, 9};
  auto table = first_then([](const std::string& path) { std::filesystem::remove(path); });
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(Numbers(**table, "trips"), rest);
  repository_.Write(*Rows(10), "stats.parquet", 2);
  table = first_then([](const std::string& path) { EXPECT_TRUE(WriteTableFile(*Rows(3), path).ok()); });
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(Numbers(**table, "trips"), rest);
  repository_.Write(*Rows(10), "stats.parquet", 2);
  table = first_then([](const std::string& path) { std::filesystem::resize_file(path, 40); });
  EXPECT_FALSE(table.ok());
  EXPECT_NE(table.status().message().find("stats.parquet"), std::string::npos) << table.status().ToString();
}

TEST_F(PullTest, EntityRowsFromFilesAndSql) {
  const auto offline = repository_.Offline();
  const auto snapshot = repository_.Snapshot();
  for (const char* name : {"labels.csv", "labels.parquet", "labels.arrow"}) {
    const std::string path = repository_.folder() + "/" + name;
    ASSERT_TRUE(WriteTableFile(*Rows(4), path).ok());
    const auto rows = ReadEntityRows(path, *snapshot, offline.get());
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    EXPECT_TRUE((*rows)->schema()->Equals(*Rows(0)->schema())) << (*rows)->schema()->ToString();
    EXPECT_EQ(Numbers(**rows, "trips"), (std::vector<int64_t>{0, 1, 2, 3}));
  }
  const Status missing = ReadEntityRows("/nowhere/labels.csv", *snapshot, offline.get()).status();
  EXPECT_EQ(missing.code(), StatusCode::kNotFound) << missing.ToString();
  EXPECT_NE(missing.message().find("/nowhere/labels.csv"), std::string::npos);
}

TEST_F(PullTest, PersistedAnswerIsReadBackAndNotOverwritten) {
  const auto job = repository_.Plan(
      {.entities = Rows(4)->SelectColumns({0, 1}).ValueOrDie(), .features = {"stats:trips"}}, 1);
  ASSERT_TRUE(job.ok()) << job.status().ToString();
  EXPECT_EQ((*job)->metadata().features, std::vector<std::string>{"stats:trips"});
  EXPECT_EQ((*job)->metadata().join_keys, std::vector<std::string>{"driver_id"});
  EXPECT_EQ((*job)->metadata().max_event_us, 3 * kSecond);
  for (const char* path : {"saved.parquet", "saved.arrow", "saved_folder"}) {
    DataSource storage{.name = "saved", .kind = DataSourceKind::kFile, .store = "file", .path = path};
    const Status first = (*job)->Persist(storage, false);
    ASSERT_TRUE(first.ok()) << first.ToString();
    EXPECT_EQ((*job)->Persist(storage, false).code(), StatusCode::kAlreadyExists);
    ASSERT_TRUE((*job)->Persist(storage, true).ok());
    const auto stream = PullAllOf(storage, {}, Context());
    ASSERT_TRUE(stream.ok()) << stream.status().ToString();
    EXPECT_EQ(Numbers(*(*stream)->ToTable().ValueOrDie(), "trips"), (std::vector<int64_t>{0, 1, 2, 3}));
  }
  // A folder with files of somebody else is never written to.
  repository_.WriteBytes("a,b\n", "theirs/a.csv");
  const DataSource theirs{.name = "saved", .kind = DataSourceKind::kFile, .store = "file", .path = "theirs"};
  EXPECT_EQ((*job)->Persist(theirs, true).code(), StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace salver
