// Reads and writes that are cut off: a PostgreSQL server that stops at once in the middle of them, and
// queries that take longer than they may. Each is an error that names its source; no dataset is registered,
// no interval claimed, no row added and no file left; and the next one works.
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "salver/feature_store.h"
#include "test/test_folder.h"
#ifdef SALVER_WITH_POSTGRES
#include "postgres/test_postgres.h"
#endif

namespace salver {
namespace {

namespace fs = std::filesystem;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr int64_t kDay = 86'400'000'000, kNow = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z

TablePtr Labels() {
  arrow::Int64Builder drivers, times;
  for (int64_t i = 0; i < 20; ++i) (void)(drivers.Append(i).ok() && times.Append(kNow).ok());
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto moments = arrow::compute::Cast(*times.Finish().ValueOrDie(), type).ValueOrDie();
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", type)}),
      {drivers.Finish().ValueOrDie(), moments});
}

class InterruptedReads : public testing::Test {
 protected:
  // A repository with one view "trips" of driver_id, event_timestamp and trips, from `source`.
  void Open(const std::string& offline_store, const std::string& source) {
    std::ofstream(folder() + "/feature_store.yaml")
        << "project: test\nregistry: registry.db\nonline_store: {type: sqlite, path: online.db}\n"
        << "spill_folder: spill\noffline_store: " << offline_store << "\n";
    std::ofstream(folder() + "/definitions.yaml")
        << "entities:\n  - {name: driver, join_keys: [driver_id], value_type: INT64}\nsources:\n  - "
        << source
        << "\nfeature_views:\n  - {name: trips, entities: [driver], schema: [{name: trips, dtype: Int64}], "
        << "source: trips}\n";
    auto store = FeatureStore::Open(folder());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
    const auto applied = store_->Apply({});
    ASSERT_TRUE(applied.ok()) << applied.status().ToString();
  }
  const std::string& folder() const { return folder_.path(); }
  std::set<std::string> Files() const {
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder())) {
      if (entry.is_regular_file()) files.insert(entry.path().lexically_relative(folder()));
    }
    return files;
  }

  Result<TablePtr> Retrieve() const {
    SALVER_ASSIGN(const auto job, Job());
    return job->Run();
  }
  Result<std::unique_ptr<RetrievalJob>> Job() const {
    return store_->GetHistoricalFeatures({.entities = Labels(), .features = {"trips:trips"}});
  }
  Status Save() const {
    SALVER_ASSIGN(const auto job, Job());
    SavedDataset dataset{.name = "kept"};
    dataset.storage.path = "kept.parquet";
    return store_->CreateSavedDataset(job.get(), dataset, false).status();
  }
  Status Materialize() const {
    return store_->Materialize({.start_us = kNow - kDay, .end_us = kNow + kDay}).status();
  }

  // Each thing that reads, interrupted: after it nothing is there that was not before.
  void EachReadFails(const std::function<Status(const std::function<Status()>& read)>& interrupted,
                     StatusCode code, const std::string& says) const {
    const std::function<Status()> reads[] = {[&] { return Retrieve().status(); }, [&] { return Save(); },
                                             [&] { return Materialize(); }};
    for (const auto& read : reads) {
      SCOPED_TRACE("read " + std::to_string(&read - reads));
      const auto before = Files();
      const Status status = interrupted(read);
      EXPECT_EQ(status.code(), code) << status.ToString();
      EXPECT_NE(status.message().find("data source \"trips\""), std::string::npos) << status.ToString();
      EXPECT_NE(status.message().find(says), std::string::npos) << status.ToString();
      EXPECT_EQ(Files(), before);
      EXPECT_EQ(store_->ListSavedDatasets().value().size(), 0u);
      EXPECT_TRUE(store_->Reload().value()->GetView("trips").value()->materialized.empty());
    }
  }
  void EachReadWorks() const {
    EXPECT_TRUE(Retrieve().ok()) << Retrieve().status().ToString();
    EXPECT_TRUE(Save().ok());
    EXPECT_TRUE(store_->GetSavedDataset("kept").ok());
    EXPECT_TRUE(Materialize().ok());
    EXPECT_FALSE(store_->Reload().value()->GetView("trips").value()->materialized.empty());
  }

  const TestFolder folder_;
  std::unique_ptr<FeatureStore> store_;
};

TEST_F(InterruptedReads, SqlThatTakesLongerThanItMay) {
  const auto write = [&](int64_t rows) {
    std::ofstream file(folder() + "/numbers.csv");
    file << "n\n";
    for (int64_t row = 0; row < rows; ++row) file << row << "\n";
  };
  write(4000);  // with itself and itself again: 64 thousand million rows
  Open("{type: file, query_timeout_seconds: 0.3}",
       "{name: trips, timestamp_field: event_timestamp, query: \"SELECT (a.n + b.n + c.n) % 20 AS driver_id, "
       "make_timestamptz(" +
           std::to_string(kNow) +
           " - a.n % 7) AS event_timestamp, max(b.n * c.n) AS trips FROM "
           "'numbers.csv' a, 'numbers.csv' b, 'numbers.csv' c GROUP BY ALL\"}");
  EachReadFails([](const auto& read) { return read(); }, StatusCode::kDeadlineExceeded,
                "Raise query_timeout_seconds");
  write(10);
  EachReadWorks();
}

#ifdef SALVER_WITH_POSTGRES
class InterruptedPostgres : public InterruptedReads {
 protected:
  void SetUp() override {
    server_ = TestPostgres::Shared();
    if (server_ == nullptr) GTEST_SKIP() << "there is no PostgreSQL 15";
    schema_ = server_->NewSchema();
    server_->Run("CREATE TABLE " + schema_ + ".wait (seconds float8)");
    server_->Run("CREATE TABLE " + schema_ +
                 ".trips (driver_id int8, event_timestamp timestamptz, trips int8)");
  }
  std::string Store(const std::string& more = "") const {
    const PostgresOptions options = server_->Options(schema_);
    return "{type: postgres, host: " + options.host + ", port: " + std::to_string(options.port) +
           ", database: " + options.database + ", user: " + options.user + ", password: '" +
           options.password.Reveal() + "', db_schema: " + schema_ + ", sslmode: " + options.sslmode +
           ", sslrootcert_path: '" + options.sslrootcert_path + "'" + more + "}";
  }
  // So many rows; with a fifth of them to go the server sleeps as long as the table "wait" says.
  std::string SlowSource(int64_t rows) const {
    return "{name: trips, type: postgres, timestamp_field: event_timestamp, query: \"SELECT n % 20 AS "
           "driver_id, timestamptz '2025-12-31 12:00Z' AS event_timestamp, n AS trips FROM "
           "generate_series(1, " +
           std::to_string(rows) + ") n WHERE n <> " + std::to_string(rows / 5 * 4) +
           " OR (SELECT count(pg_sleep(seconds)) FROM wait) >= 0\"}";
  }
  void Wait(double seconds) const {
    server_->Run("TRUNCATE " + schema_ + ".wait");
    server_->Run("INSERT INTO " + schema_ + ".wait VALUES (" + std::to_string(seconds) + ")");
  }
  void StopOnceItSleeps() const {
    while (server_->Ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0") {
    }
    server_->Stop();
  }

  TestPostgres* server_ = nullptr;
  std::string schema_;
};

TEST_F(InterruptedPostgres, AServerThatStopsInTheMiddleOfTheRows) {
  Wait(0);
  Open(Store(), SlowSource(500'000));
  Wait(60);
  EachReadFails(
      [&](const auto& read) {
        std::thread stopper([&] { StopOnceItSleeps(); });
        const Status status = read();
        stopper.join();
        server_->Start();
        return status;
      },
      StatusCode::kUnavailable, "postgres server");
  Wait(0);
  EachReadWorks();
}

TEST_F(InterruptedPostgres, AStatementThatTakesLongerThanItMay) {
  Wait(0);
  // Few rows: the time counts while they are taken, too, and those that work must have enough of it.
  Open(Store(", statement_timeout_seconds: 2"), SlowSource(5000));
  Wait(60);
  EachReadFails([](const auto& read) { return read(); }, StatusCode::kDeadlineExceeded,
                "Raise statement_timeout_seconds");
  Wait(0);
  EachReadWorks();
}

TEST_F(InterruptedPostgres, AServerThatStopsInTheMiddleOfAWrite) {
  server_->Run("CREATE FUNCTION " + schema_ +
               ".stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.driver_id = "
               "15 THEN PERFORM pg_sleep(seconds) FROM " +
               schema_ + ".wait; END IF; RETURN NEW; END $$");
  server_->Run("CREATE TRIGGER stall BEFORE INSERT ON " + schema_ + ".trips FOR EACH ROW EXECUTE FUNCTION " +
               schema_ + ".stall()");
  Open(Store(), "{name: trips, type: postgres, table: trips, timestamp_field: event_timestamp}");
  const TablePtr labels = Labels();
  const TablePtr rows =
      labels->AddColumn(2, arrow::field("trips", arrow::int64()), labels->column(0)).ValueOrDie();
  Wait(60);
  std::thread stopper([&] { StopOnceItSleeps(); });
  const Status status = store_->WriteToOfflineStore("trips", *rows);
  stopper.join();
  server_->Start();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_NE(status.message().find("data source \"trips\""), std::string::npos) << status.ToString();
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema_ + ".trips"), "0");
  Wait(0);
  EXPECT_TRUE(store_->WriteToOfflineStore("trips", *rows).ok());
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema_ + ".trips"), "20");
  EachReadWorks();
}
#endif

}  // namespace
}  // namespace salver
