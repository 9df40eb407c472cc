// Views made by SQL against the same SQL run by hand, on random rows; and what is computed how often.
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/local_engine.h"
#include "plan/feature_builder.h"
#include "retrieval/test_repository.h"
#include "salver/compute_engine.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr char kDaily[] =
    "SELECT driver_id, max(event_timestamp) AS event_timestamp, CAST(sum(trips) AS BIGINT) AS total, "
    "count(*) AS rides FROM trips GROUP BY driver_id, CAST(event_timestamp AS DATE)";

TablePtr RandomRows(std::mt19937* random, int64_t rows, bool labels) {
  std::vector<std::optional<int64_t>> keys, times, trips;
  for (int64_t i = 0; i < rows; ++i) {
    keys.push_back((*random)() % 20);
    times.push_back(int64_t{1'767'225'600'000'000} + static_cast<int64_t>((*random)() % 864'000) * 1'000'000);
    trips.push_back((*random)() % 5 == 0 ? std::nullopt : std::optional<int64_t>((*random)() % 100));
  }
  const auto micros = UtcMicros();
  arrow::FieldVector fields = {arrow::field("driver_id", arrow::int64()),
                               arrow::field("event_timestamp", micros)};
  arrow::ArrayVector columns = {ColumnOf(keys, arrow::int64()), ColumnOf(times, micros)};
  if (!labels) {
    fields.push_back(arrow::field("trips", arrow::int64()));
    columns.push_back(ColumnOf(trips, arrow::int64()));
  }
  return arrow::Table::Make(arrow::schema(fields), columns);
}

TestView View(const std::string& name, const std::vector<std::string>& features) {
  TestView view{.name = name,
                .path = name + ".parquet",
                .join_keys = {{.name = "driver_id", .type = ValueType::kInt64}}};
  for (const std::string& feature : features)
    view.features.push_back({.name = feature, .type = ValueType::kInt64});
  view.ttl_us = int64_t{3} * 86'400'000'000;
  return view;
}

TEST(SqlViews, AreTheSameSqlRunByHand) {
  for (const uint32_t seed : {1U, 2U, 3U}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    TestRepository repository;
    repository.Write(*RandomRows(&random, 2000, false), "trips.parquet", 100);
    repository.Add(View("trips", {"trips"}));
    repository.AddMade(View("daily", {"total", "rides"}), {"trips"}, "", kDaily);
    const auto by_hand = repository.Offline()->Query(
        "WITH trips AS (SELECT * FROM read_parquet('trips.parquet')) SELECT * FROM (" + std::string(kDaily) +
        ")");
    ASSERT_TRUE(by_hand.ok()) << by_hand.status().ToString();
    repository.Write(**by_hand, "stored.parquet", 50);
    repository.Add(View("stored", {"total", "rides"}));
    const auto labels = RandomRows(&random, 500, true);
    const auto computed =
        repository.Retrieve({.entities = labels, .features = {"daily:total", "daily:rides"}});
    const auto stored =
        repository.Retrieve({.entities = labels, .features = {"stored:total", "stored:rides"}});
    ASSERT_TRUE(computed.ok()) << computed.status().ToString();
    ASSERT_TRUE(stored.ok()) << stored.status().ToString();
    EXPECT_TRUE((*computed)->CombineChunks().ValueOrDie()->Equals(*(*stored)->CombineChunks().ValueOrDie()));
    EXPECT_LT((*computed)->column(2)->null_count(), 500) << "nothing was compared";
  }
}

// Passes everything on, and counts.
class CountingStore final : public OfflineStore {
 public:
  explicit CountingStore(std::shared_ptr<OfflineStore> store) : store_(std::move(store)) {}
  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    return store_->ReadSchema(source);
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    return store_->Open(source, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return store_->Append(source, rows);
  }
  Result<TablePtr> Query(const std::string& sql) override { return store_->Query(sql); }
  Result<TablePtr> RunSql(const SqlRequest& request) override {
    requests.push_back(request.sql);
    return store_->RunSql(request);
  }
  Result<std::shared_ptr<arrow::Schema>> DescribeSql(const SqlRequest& request) override {
    return store_->DescribeSql(request);
  }
  Result<std::string> SelectOf(const DataSource& source) override { return store_->SelectOf(source); }

  std::vector<std::string> requests;

 private:
  const std::shared_ptr<OfflineStore> store_;
};

int RunsOf(const CountingStore& store, const std::string& mark) {
  int runs = 0;
  for (const std::string& sql : store.requests) {
    for (size_t at = sql.find(mark); at != std::string::npos; at = sql.find(mark, at + 1)) ++runs;
  }
  return runs;
}

class SqlViewsTest : public testing::Test {
 protected:
  SqlViewsTest() {
    std::mt19937 random(7);
    repository_.Write(*RandomRows(&random, 300, false), "trips.parquet", 100);
    repository_.Add(View("trips", {"trips"}));
    repository_.AddMade(View("base", {"a"}), {"trips"}, "",
                        "SELECT driver_id, event_timestamp, trips AS a FROM trips /* base */");
    repository_.AddMade(View("left_side", {"l"}), {"base"}, "",
                        "SELECT driver_id, event_timestamp, a + 1 AS l FROM base");
    repository_.AddMade(View("right_side", {"r"}), {"base"}, "",
                        "SELECT driver_id, event_timestamp, a + 2 AS r FROM base");
    labels_ = RandomRows(&random, 50, true);
    counting_ = std::make_shared<CountingStore>(repository_.Offline());
  }

  Result<TablePtr> Retrieve(const std::vector<std::string>& features) {
    SALVER_ASSIGN(const auto job,
                  PlanHistoricalFeatures(repository_.Snapshot(), {.entities = labels_, .features = features},
                                         {.offline = counting_, .engine = NewLocalEngine(), .threads = 2}));
    return job->Run();
  }

  TestRepository repository_;
  TablePtr labels_;
  std::shared_ptr<CountingStore> counting_;
};

TEST_F(SqlViewsTest, WhatTwoViewsAreMadeOfIsComputedOnce) {
  const auto table = Retrieve({"left_side:l", "right_side:r", "base:a"});
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(RunsOf(*counting_, "/* base */"), 1);
  EXPECT_EQ(counting_->requests.size(), 3U);
}

TEST_F(SqlViewsTest, OnlyColumnsTimesAndRowsThatAreNeededAreAskedFor) {
  ASSERT_TRUE(Retrieve({"left_side:l"}).ok());
  ASSERT_EQ(counting_->requests.size(), 1U) << "a chain is one query";
  const std::string& sql = counting_->requests[0];
  EXPECT_TRUE(sql.starts_with("SELECT \"event_timestamp\", \"driver_id\", \"l\" FROM (")) << sql;
  EXPECT_NE(sql.find("WHERE \"event_timestamp\" >= "), std::string::npos) << sql;
  EXPECT_NE(sql.find("read_parquet('"), std::string::npos) << sql;
}

TEST_F(SqlViewsTest, AreMaterialized) {
  const auto snapshot = repository_.Snapshot();
  const auto view = snapshot->GetView("left_side").value();
  const auto plan = FeatureBuilder(*snapshot).Latest(*view, {0, INT64_C(4'000'000'000'000'000)});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  const auto rows = NewLocalEngine()->Latest(*plan, {.offline = counting_.get()});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ((*rows)->rows_in_range(), 300);
  EXPECT_EQ((*rows)->row_count(), 20);
  const auto batch = (*rows)->Next();
  ASSERT_TRUE(batch.ok() && *batch);
  EXPECT_EQ((*batch)->features->schema()->field(0)->name(), "l");
}

}  // namespace
}  // namespace salver
