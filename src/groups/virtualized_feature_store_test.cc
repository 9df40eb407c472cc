#include "salver/virtualized_feature_store.h"

#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "feast/core/Registry.pb.h"
#include "groups/group_fixture.h"
#include "groups/sql_words.h"
#include "offline/offline_stores.h"
#include "source/table_file.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

// Counts what reaches the executor behind it.
class CountingExecutor final : public QueryExecutor {
 public:
  explicit CountingExecutor(std::shared_ptr<QueryExecutor> inner) : inner_(std::move(inner)) {}
  const char* name() const override { return inner_->name(); }
  Result<std::shared_ptr<arrow::Table>> Execute(const FeatureQuery& query) override {
    queries.push_back(query.sql);
    auto rows = inner_->Execute(query);
    if (rows.ok()) rows_read += (*rows)->num_rows();
    return rows;
  }
  Result<std::string> Explain(const FeatureQuery& query) override { return inner_->Explain(query); }
  CacheStats cache_stats() const override { return inner_->cache_stats(); }

  std::vector<std::string> queries;
  int64_t rows_read = 0;

 private:
  const std::shared_ptr<QueryExecutor> inner_;
};

constexpr char kTotals[] =
    "SELECT driver_id, max(event_timestamp) AS event_timestamp, sum(trips) AS total, max(trips) AS best -- "
    "all\n"
    "FROM driver_stats GROUP BY driver_id";
constexpr char kCities[] = "SELECT driver_id, event_timestamp, city FROM cities";

class VirtualizedTest : public testing::Test {
 protected:
  void SetUp() override {
    tables_ = repository_.Materialized();
    ASSERT_TRUE(tables_->RegisterFeatureGroup(DriverStats()).ok());
    std::vector<std::vector<double>> rows;
    for (int driver = 0; driver < 1000; ++driver)
      for (int hour = 0; hour < 3; ++hour) rows.push_back({1.0 * driver, 1.0 * hour, 1.0 * hour, 1});
    ASSERT_TRUE(tables_->WriteFeatures("driver_stats", *DriverRows(rows), {}).ok());
    WriteCities("a");
    const auto added = repository_.Context().registry->Update([](feast::core::Registry* registry) {
      auto* source = registry->add_data_sources();
      source->set_name("cities");
      source->set_project("test");
      source->set_type(feast::core::DataSource::BATCH_FILE);
      source->mutable_file_options()->set_uri("cities.parquet");
      return Status::OK();
    });
    ASSERT_TRUE(added.ok()) << added.status().ToString();
    counting_ =
        std::make_shared<CountingExecutor>(NewDuckDBQueryExecutor({.folder = repository_.folder()}).value());
    store_ = repository_.Virtualized({.executor = counting_});
  }

  void WriteCities(const std::string& city) {
    repository_.WriteFile(
        "cities.parquet",
        *JsonTable({arrow::field("driver_id", arrow::int64()),
                    arrow::field("event_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                    arrow::field("city", arrow::utf8())},
                   {"[1, 2]", "[1795132800000000, 1795132800000000]", "[\"" + city + "\", \"b\"]"}));
  }

  static FeatureGroupSchema Activity() {
    return {.name = "activity",
            .entity_keys = {{.name = "driver_id", .data_type = DataType::kBigint}},
            .timestamp_key = "event_timestamp",
            .features = {{.name = "total", .data_type = DataType::kBigint},
                         {.name = "best", .data_type = DataType::kInt},
                         {.name = "city", .data_type = DataType::kString}}};
  }
  void Define() {
    const auto defined =
        store_->DefineVirtualFeatures(Activity(), {{"total", kTotals}, {"best", kTotals}, {"city", kCities}});
    ASSERT_TRUE(defined.ok()) << defined.status().ToString();
  }
  std::string Get(const std::vector<std::string>& names, const std::vector<int64_t>& drivers) {
    const auto rows = store_->GetFeatures({.names = names, .entity_ids = Drivers(drivers)});
    return rows.ok() ? RowsText(**rows) : rows.status().ToString();
  }

  GroupRepository repository_;
  std::unique_ptr<MaterializedFeatureStore> tables_;
  std::shared_ptr<CountingExecutor> counting_;
  std::unique_ptr<VirtualizedFeatureStore> store_;
};

TEST_F(VirtualizedTest, OnlyTheSqlOfWhatIsAskedRunsAndOnceEach) {
  Define();
  EXPECT_EQ(Get({"activity:total", "activity:best", "activity:city"}, {1, 2, 9999}),
            "1 | 3 | 2 | a\n2 | 3 | 2 | b\n9999 | null | null | null\n");
  EXPECT_EQ(counting_->queries, (std::vector<std::string>{kTotals, kCities}));
  counting_->queries.clear();
  EXPECT_EQ(Get({"city"}, {2}), "2 | b\n");
  EXPECT_EQ(counting_->queries, std::vector<std::string>{kCities});
}

TEST_F(VirtualizedTest, TheEntityFilterIsInsideTheQuery) {
  Define();
  EXPECT_EQ(Get({"total"}, {5, 6}), "5 | 3\n6 | 3\n");
  EXPECT_EQ(counting_->rows_read, 2) << "of 1000 drivers";
  const auto plan = store_->Explain({.names = {"total"}, .entity_ids = Drivers({5, 6})});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  // Below the aggregate: in the scan of the files, or right above it.
  const size_t group_by =
      plan->find("HASH_GROUP_BY") != std::string::npos ? plan->find("HASH_GROUP_BY") : plan->find("GROUP_BY");
  ASSERT_NE(group_by, std::string::npos) << *plan;
  EXPECT_EQ(plan->substr(0, group_by).find("IN (5, 6)"), std::string::npos) << *plan;
  const std::string below = plan->substr(group_by);
  EXPECT_TRUE(below.find("driver_id") != std::string::npos && below.find("5") != std::string::npos &&
              below.find("Filters") != std::string::npos)
      << *plan;
}

TEST_F(VirtualizedTest, AnswersAreKeptUntilASourceChanges) {
  Define();
  // Files this young could change again without a trace: nothing is kept of them.
  std::filesystem::last_write_time(repository_.folder() + "/cities.parquet",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get({"city", "total"}, {1}), "1 | a | 3\n");
  EXPECT_EQ(counting_->cache_stats().hits, 4);
  EXPECT_EQ(counting_->cache_stats().misses, 2);
  EXPECT_EQ(Get({"city"}, {2}), "2 | b\n") << "other keys, another answer";
  WriteCities("c");
  EXPECT_EQ(Get({"city"}, {1}), "1 | c\n");
  ASSERT_TRUE(tables_->WriteFeatures("driver_stats", *DriverRows({{1, 4, 100, 1}}), {}).ok());
  EXPECT_EQ(Get({"total"}, {1}), "1 | 103\n");
}

// `count` numbers from `first` on, doubled.
FeatureQuery Doubled(int64_t first, int64_t count) {
  std::string numbers = "[" + std::to_string(first);
  for (int64_t i = 1; i < count; ++i) numbers += ", " + std::to_string(first + i);
  return {.sql = "SELECT n, 2 * n AS twice FROM numbers",
          .asked_by = "feature \"twice\"",
          .tables = {{.name = "numbers",
                      .sql = "",
                      .rows = JsonTable({arrow::field("n", arrow::int64())}, {numbers + "]"}),
                      .identity = std::to_string(first)}}};
}

TEST(DuckDBQueryExecutor, WithoutCachingTheSqlRunsEachTime) {
  for (const bool caching : {true, false}) {
    const auto executor = NewDuckDBQueryExecutor({.enable_caching = caching}).value();
    const auto first = executor->Execute(Doubled(1, 3)), again = executor->Execute(Doubled(1, 3));
    ASSERT_TRUE(first.ok() && again.ok()) << first.status().ToString();
    EXPECT_EQ(*first == *again, caching) << "the same answer, or another that is alike";
    EXPECT_TRUE((*first)->Equals(**again));
    EXPECT_EQ(executor->cache_stats().hits, caching ? 1 : 0);
    EXPECT_EQ(executor->cache_stats().entries, caching ? 1 : 0);
  }
}

TEST(DuckDBQueryExecutor, KeepsNoMoreThanItsBytesAndTheNewest) {
  const auto executor = NewDuckDBQueryExecutor({.cache_size_mb = 1}).value();
  constexpr int kQueries = 8;
  constexpr int64_t kNumbers = 20'000;  // whose answer takes a third of the room
  for (int64_t i = 0; i < kQueries; ++i) {
    ASSERT_TRUE(executor->Execute(Doubled(i, kNumbers)).ok());
    EXPECT_LE(executor->cache_stats().bytes, 1 << 20);
  }
  const CacheStats stats = executor->cache_stats();
  EXPECT_EQ(stats.entries + stats.evictions, kQueries);
  EXPECT_GT(stats.evictions, 0);
  EXPECT_GT(stats.entries, 0);
  ASSERT_TRUE(executor->Execute(Doubled(kQueries - 1, kNumbers)).ok());
  EXPECT_EQ(executor->cache_stats().hits, 1) << "the newest is there";
  ASSERT_TRUE(executor->Execute(Doubled(0, kNumbers)).ok());
  EXPECT_EQ(executor->cache_stats().hits, 1) << "the oldest is not";
}

TEST_F(VirtualizedTest, AQueryThatTakesTooLongEnds) {
  const auto executor =
      NewDuckDBQueryExecutor({.query_timeout_seconds = 0.3, .folder = repository_.folder()}).value();
  const auto store = repository_.Virtualized({.executor = executor});
  FeatureGroupSchema schema = Activity();
  schema.features = {{.name = "total", .data_type = DataType::kBigint}};
  ASSERT_TRUE(
      store
          ->DefineVirtualFeatures(
              schema,
              {{"total",
                "SELECT a.range % 10 AS driver_id, now() AS event_timestamp, sum(a.range * b.range) AS total "
                "FROM range(1000000) a, range(1000000) b GROUP BY 1"}})
          .ok());
  const auto start = std::chrono::steady_clock::now();
  const auto rows = store->GetFeatures({.names = {"activity:total"}, .entity_ids = Drivers({1})});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(rows.status().code(), StatusCode::kDeadlineExceeded) << rows.status().ToString();
  EXPECT_EQ(rows.status().reason(), Reason::kVirtualizationQuery);
  EXPECT_NE(rows.status().message().find("query_timeout_seconds"), std::string::npos);
}

TEST_F(VirtualizedTest, SqlThatCanNotAnswerIsRefusedWhenItIsDefined) {
  const auto define = [&](const std::string& sql) {
    FeatureGroupSchema schema = Activity();
    schema.features = {{.name = "city", .data_type = DataType::kString}};
    return store_->DefineVirtualFeatures(schema, {{"city", sql}}).status();
  };
  for (const char* sql : {"SELECT driver_id, event_timestamp FROM cities", "SELEC 1", "SELECT * FROM towns",
                          "DELETE FROM cities", "SELECT driver_id, city FROM cities"}) {
    const Status refused = define(sql);
    EXPECT_EQ(refused.reason(), Reason::kVirtualizationQuery) << sql << ": " << refused.ToString();
    EXPECT_NE(refused.message().find("feature \"city\" of feature group \"activity\""), std::string::npos)
        << refused.message();
  }
  EXPECT_EQ(store_->metadata()->Get("activity").status().reason(), Reason::kFeatureGroupNotFound);
  FeatureGroupSchema schema = Activity();
  const Status names = store_->DefineVirtualFeatures(schema, {{"total", kTotals}, {"bst", kTotals}}).status();
  EXPECT_EQ(names.reason(), Reason::kMetadata);
  for (const char* part : {"\"best\" has no SQL", "\"city\" has no SQL", "given for \"bst\""})
    EXPECT_NE(names.message().find(part), std::string::npos) << names.message();
}

TEST_F(VirtualizedTest, WhatDoesNotFitTheSchemaIsSaid) {
  FeatureGroupSchema schema = Activity();
  schema.features = {{.name = "city", .data_type = DataType::kInt}};
  ASSERT_TRUE(store_->DefineVirtualFeatures(schema, {{"city", kCities}}).ok());
  const auto rows = store_->GetFeatures({.names = {"city"}, .entity_ids = Drivers({1})});
  EXPECT_EQ(rows.status().reason(), Reason::kVirtualizationQuery);
  EXPECT_NE(rows.status().message().find("the column holds string, but INT is declared"), std::string::npos)
      << rows.status().ToString();
}

TEST_F(VirtualizedTest, WithoutATimestampKeyARowIsOfAnyMoment) {
  FeatureGroupSchema schema = Activity();
  schema.name = "lifetime";
  schema.timestamp_key = "";
  schema.features = {{.name = "all_trips", .data_type = DataType::kDouble}};
  ASSERT_TRUE(store_
                  ->DefineVirtualFeatures(
                      schema, {{"all_trips",
                                "SELECT driver_id, sum(trips) AS all_trips FROM driver_stats_v1 GROUP BY 1"}})
                  .ok());
  EXPECT_EQ(Get({"all_trips"}, {7}), "7 | 3\n");
  const auto early =
      store_->GetFeatures({.names = {"all_trips"}, .entity_ids = Drivers({7}), .point_in_time = 1});
  ASSERT_TRUE(early.ok()) << early.status().ToString();
  EXPECT_EQ(RowsText(**early), "7 | 3\n");
}

// Sources are named in SQL as they are called in the registry, in quotes where SQL needs them.
TEST_F(VirtualizedTest, SourcesOfEveryKindAndNameAreRead) {
  const auto rows = ReadTableFile(repository_.folder() + "/cities.parquet").value();
  ASSERT_TRUE(CreateDeltaTable(repository_.folder() + "/delta", *rows->schema()).ok());
  const auto offline = NewOfflineStores({.folder = repository_.folder()});
  const DataSource table{
      .name = "t", .kind = DataSourceKind::kFile, .store = "delta", .path = "delta", .file_format = "delta"};
  ASSERT_TRUE(offline->Append(table, *rows).ok());
  const std::vector<std::string> names = {"plain", "Daily Trips",     "order",
                                          "a\"b",  "gr\u00f6\u00dfe", "select.from"};
  const auto added = repository_.Context().registry->Update([&](feast::core::Registry* registry) {
    for (const std::string& name : names) {
      for (const char* kind : {"file", "delta", "sql"}) {
        auto* source = registry->add_data_sources();
        source->set_name(kind + (" " + name));
        source->set_project("test");
        source->set_type(feast::core::DataSource::BATCH_FILE);
        if (kind == std::string("sql")) {
          source->set_sql("SELECT * FROM read_parquet('cities.parquet')");
          continue;
        }
        source->mutable_file_options()->set_uri(kind == std::string("file") ? "cities.parquet" : "delta");
        if (kind == std::string("delta"))
          source->mutable_file_options()->mutable_file_format()->mutable_delta_format();
      }
    }
    return Status::OK();
  });
  ASSERT_TRUE(added.ok()) << added.status().ToString();
  FeatureGroupSchema schema = Activity();
  schema.features = {{.name = "city", .data_type = DataType::kString}};
  for (const std::string& name : names) {
    for (const char* kind : {"file", "delta", "sql"}) {
      SCOPED_TRACE(kind + (" " + name));
      schema.name += "x";
      const std::string sql =
          "SELECT driver_id, event_timestamp, city FROM " + QuoteSqlName(kind + (" " + name));
      const auto defined = store_->DefineVirtualFeatures(schema, {{"city", sql}});
      ASSERT_TRUE(defined.ok()) << defined.status().ToString();
      EXPECT_EQ(Get({schema.name + ":city"}, {1, 2, 3}), "1 | a\n2 | b\n3 | null\n");
    }
  }
  // A Delta table and a query may give other rows the next time.
  const auto newer = JsonTable(rows->schema()->fields(), {"[1]", "[1795136400000000]", "[\"c\"]"});
  ASSERT_TRUE(offline->Append(table, *newer).ok());
  EXPECT_EQ(Get({"activityxx:city"}, {1}), "1 | c\n");
  WriteCities("d");
  EXPECT_EQ(Get({"activityxxx:city"}, {1}), "1 | d\n");
}

TEST_F(VirtualizedTest, AGroupThatWasNeverWrittenIsATableWithoutRows) {
  FeatureGroupSchema empty = DriverStats();
  empty.name = "later";
  ASSERT_TRUE(tables_->RegisterFeatureGroup(empty).ok());
  FeatureGroupSchema schema = Activity();
  schema.name = "of_later";
  schema.features = {{.name = "twice", .data_type = DataType::kBigint}};
  const auto defined = store_->DefineVirtualFeatures(
      schema, {{"twice", "SELECT driver_id, event_timestamp, 2 * trips AS twice FROM later"}});
  ASSERT_TRUE(defined.ok()) << defined.status().ToString();
  EXPECT_EQ(Get({"twice"}, {1}), "1 | null\n");
  ASSERT_TRUE(tables_->WriteFeatures("later", *DriverRows({{1, 0, 4, 1}}), {}).ok());
  EXPECT_EQ(Get({"twice"}, {1}), "1 | 8\n");
}

TEST_F(VirtualizedTest, EachStoreSaysWhichOneHasTheGroup) {
  Define();
  const auto wrong = tables_->GetFeatures({.names = {"activity:city"}, .entity_ids = Drivers({1})});
  EXPECT_NE(wrong.status().message().find("VirtualizedFeatureStore"), std::string::npos)
      << wrong.status().ToString();
  EXPECT_NE(Get({"driver_stats:trips"}, {1}).find("MaterializedFeatureStore"), std::string::npos);
  EXPECT_EQ(tables_->WriteFeatures("activity", *DriverRows({}), {}).status().reason(), Reason::kMetadata);
  EXPECT_TRUE(store_->CheckHealth().healthy());
}

TEST(SqlWords, TellWhatAnAnswerDependsOn) {
  const auto repeatable = [](const char* sql) { return WordsOf(sql).repeatable; };
  EXPECT_TRUE(repeatable("SELECT a, 'x.csv, not read' FROM t -- now()\n WHERE b = 'it''s' /* random() */"));
  EXPECT_TRUE(WordsOf("SELECT 1 FROM \"My Table\" JOIN Trips").names.contains("my table"));
  EXPECT_TRUE(WordsOf("SELECT 1 FROM \"My Table\" JOIN Trips").names.contains("trips"));
  EXPECT_FALSE(WordsOf("SELECT 'trips' -- trips\n").names.contains("trips"));
  for (const char* sql : {"SELECT now()", "SELECT * FROM read_csv('x')", "SELECT * FROM 'x.parquet'",
                          "SELECT * FROM a, \"b.csv\"", "SELECT random()", "SELECT current_date",
                          "SELECT * FROM delta_scan('x')", "SELECT $$x$$", "SELECT * FROM t USING SAMPLE 3",
                          "SELECT * FROM t, '/data/x.parquet'"}) {
    EXPECT_FALSE(repeatable(sql)) << sql;
  }
  for (const char* open : {"'", "\"", "/*", "--", "a 'b", "$"}) (void)WordsOf(open);
}

}  // namespace
}  // namespace salver
