// What reaches the scan of a file when a SQL source is asked for part of its rows.
#include "offline/sql_source.h"

#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <filesystem>
#include <thread>

#include "sql/sql_text.h"
#include "test/test_folder.h"

namespace salver {
namespace {

class SqlSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    arrow::Int64Builder drivers, trips;
    arrow::StringBuilder cities;
    const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    arrow::TimestampBuilder times(micros, arrow::default_memory_pool());
    for (int64_t i = 0; i < 1000; ++i) {
      ASSERT_TRUE(drivers.Append(i % 10).ok() && times.Append(i * 1'000'000).ok() && trips.Append(i).ok());
      ASSERT_TRUE(cities.Append(i % 2 == 0 ? "a" : "it's").ok());
    }
    const auto schema =
        arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("ts", micros),
                       arrow::field("trips", arrow::int64()), arrow::field("city", arrow::utf8())});
    const auto table =
        arrow::Table::Make(schema, {*drivers.Finish(), *times.Finish(), *trips.Finish(), *cities.Finish()});
    const auto out = arrow::io::FileOutputStream::Open(folder_ + "/trips.parquet").ValueOrDie();
    ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 100).ok());
    ASSERT_TRUE(out->Close().ok());
    store_ = NewOfflineStores({.folder = folder_});
  }

  static DataSource Source(const std::string& query) {
    return {.name = "trips",
            .kind = DataSourceKind::kFile,
            .store = "duckdb",
            .query = query,
            .timestamp_field = "ts"};
  }
  Result<int64_t> RowsOf(const DataSource& source, const SourceNeeds& needs) {
    SALVER_ASSIGN(const auto reader, store_->Open(source, needs));
    int64_t rows = 0;
    for (const RowGroup& group : reader->row_groups()) rows += group.rows;
    return rows;
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
  std::unique_ptr<OfflineStore> store_;
};

constexpr char kQuery[] = "SELECT driver_id, ts, trips * 2 AS twice, city FROM 'trips.parquet'";

std::shared_ptr<arrow::Table> Keys(const std::string& name, const std::vector<int64_t>& keys) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(keys).ok());
  return arrow::Table::Make(arrow::schema({arrow::field(name, arrow::int64())}), {*builder.Finish()});
}

TEST_F(SqlSourceTest, ColumnsTimesAndKeysReachTheScan) {
  const auto schema = store_->ReadSchema(Source(kQuery)).value();
  SourceNeeds needs{.columns = {"ts", "driver_id"}, .min_event_us = 100'000'000, .max_event_us = 199'000'000};
  needs.keys = Keys("driver_id", {3, 4});
  const auto sql = SelectNeeded(kQuery, *schema, "ts", needs);
  ASSERT_TRUE(sql.ok()) << sql.status().ToString();
  const auto database = OpenSqlDatabase({.folder = folder_}).value();
  const auto plan = database->Explain({.sql = *sql, .asked_by = "test"});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  const std::string scan = plan->substr(plan->rfind("PARQUET_SCAN"));
  EXPECT_NE(scan.find("driver_id>=3 AND"), std::string::npos) << *plan;
  EXPECT_NE(scan.find("ts>='1970-01-01 00:01"), std::string::npos) << *plan;
  EXPECT_EQ(scan.find("twice"), std::string::npos) << *plan;
  EXPECT_EQ(scan.find("trips\n"), std::string::npos) << *plan;
  EXPECT_EQ(scan.find("city"), std::string::npos) << *plan;
  EXPECT_EQ(plan->find("JOIN"), std::string::npos) << "a join would lose the order\n" << *plan;
  EXPECT_EQ(RowsOf(Source(kQuery), needs).value(), 20);
}

TEST_F(SqlSourceTest, BoundsAreIncludedAndExtremeOnesAreNone) {
  const auto rows = [&](int64_t min, int64_t max) {
    return RowsOf(Source(kQuery), {.columns = {"ts"}, .min_event_us = min, .max_event_us = max}).value();
  };
  EXPECT_EQ(rows(5'000'000, 5'000'000), 1);
  EXPECT_EQ(rows(5'000'001, 5'999'999), 0);
  EXPECT_EQ(rows(INT64_MIN, INT64_MAX), 1000);
  EXPECT_EQ(rows(INT64_MIN + 1, INT64_MAX - 1), 1000);
}

// Every type of time column, none of which may lose a row of the range.
TEST_F(SqlSourceTest, TimeColumnsOfAnyType) {
  for (const std::string type :
       {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "DATE", "VARCHAR"}) {
    const DataSource source =
        Source("SELECT CAST(ts AT TIME ZONE 'UTC' AS " + type + ") AS ts FROM 'trips.parquet'");
    const auto rows = RowsOf(source, {.columns = {"ts"}, .min_event_us = 0, .max_event_us = 9'000'000});
    ASSERT_TRUE(rows.ok()) << type << ": " << rows.status().ToString();
    EXPECT_GE(*rows, 10) << type;
  }
}

TEST_F(SqlSourceTest, KeysThatAreTextNullOrNone) {
  arrow::StringBuilder cities;
  ASSERT_TRUE(cities.Append("it's").ok() && cities.AppendNull().ok());
  const auto text =
      arrow::Table::Make(arrow::schema({arrow::field("city", arrow::utf8())}), {*cities.Finish()});
  EXPECT_EQ(RowsOf(Source(kQuery), {.columns = {"ts"}, .keys = text}).value(), 500);
  EXPECT_EQ(RowsOf(Source(kQuery), {.columns = {"ts"}, .keys = Keys("driver_id", {})}).value(), 0);
  EXPECT_EQ(RowsOf(Source(kQuery), {.columns = {"ts"}, .keys = Keys("city", {1})}).value(), 1000)
      << "not comparable";
  EXPECT_EQ(RowsOf(Source(kQuery), {.columns = {"ts"}, .keys = Keys("nowhere", {1})}).value(), 1000);
}

TEST_F(SqlSourceTest, ManyKeysBecomeTheirRange) {
  std::vector<int64_t> keys;
  for (int64_t i = 0; i < 1000; ++i) keys.push_back(4 + i);
  EXPECT_EQ(RowsOf(Source(kQuery), {.columns = {"ts"}, .keys = Keys("driver_id", keys)}).value(), 600);
}

TEST_F(SqlSourceTest, ErrorsCountTheLinesOfTheQuery) {
  const Status status = store_->Open(Source("SELECT ts,\n  tripz FROM 'trips.parquet'"), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(status.message().starts_with("data source \"trips\", in its SQL: Binder Error:"))
      << status.ToString();
  EXPECT_NE(status.message().find("(line 2: "), std::string::npos) << status.ToString();
}

TEST_F(SqlSourceTest, FileThatIsDeletedBetweenTwoQueries) {
  ASSERT_EQ(RowsOf(Source(kQuery), {}).value(), 1000);
  std::filesystem::remove(folder_ + "/trips.parquet");
  const Status status = store_->Open(Source(kQuery), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound) << status.ToString();
  EXPECT_NE(status.message().find("trips.parquet"), std::string::npos) << status.ToString();
}

TEST_F(SqlSourceTest, AQueryThatRunsTooLongIsStoppedAndLeavesNoFile) {
  const std::string spill = folder_ + "/spill";
  const auto store = NewOfflineStores({.folder = folder_,
                                       .memory_limit_bytes = 48 << 20,
                                       .spill_folder = spill,
                                       .query_timeout_seconds = 0.3});
  const Status status =
      store->Query("SELECT x, md5(x::VARCHAR) AS t FROM range(100000000) a(x) ORDER BY hash(x)").status();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status.ToString();
  EXPECT_TRUE(!std::filesystem::exists(spill) || std::filesystem::is_empty(spill) ||
              std::filesystem::is_empty(std::filesystem::directory_iterator(spill)->path()));
}

TEST_F(SqlSourceTest, QueryGivesRows) {
  const auto table =
      store_->Query("SELECT driver_id, max(ts) AS event_timestamp FROM 'trips.parquet' GROUP BY ALL");
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ((*table)->num_rows(), 10);
}

}  // namespace
}  // namespace salver
