#include "salver/materialized_feature_store.h"

#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/power_loss_files.h"
#include "groups/group_fixture.h"
#include "groups/materialized_store.h"
#include "groups/read_features.h"
#include "salver/feature_store.h"
#include "salver/log.h"
#include "source/table_file.h"

namespace salver {
namespace {

// Run for each storage format.
class MaterializedTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    store_ = repository_.Materialized({.storage_format = GetParam()});
    const auto registered = store_->RegisterFeatureGroup(DriverStats());
    ASSERT_TRUE(registered.ok()) << registered.status().ToString();
  }
  WriteReport Write(const std::vector<std::vector<double>>& rows, const WriteOptions& options = {}) {
    const auto report = store_->WriteFeatures("driver_stats", *DriverRows(rows), options);
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    return report.ok() ? *report : WriteReport{};
  }
  // What the drivers' trips were `hours` after the start.
  std::string TripsAt(const std::vector<int64_t>& drivers, double hours,
                      MaterializedFeatureStore* store = nullptr) {
    const auto rows = (store != nullptr ? store : store_.get())
                          ->GetFeatures({.names = {"driver_stats:trips"},
                                         .entity_ids = Drivers(drivers),
                                         .point_in_time = kMidnight + static_cast<int64_t>(hours * kHour)});
    return rows.ok() ? RowsText(**rows) : rows.status().ToString();
  }
  bool IsDelta() const { return std::string(GetParam()) == "delta"; }
  std::vector<std::filesystem::path> FilesOnDisk() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(repository_.folder() + "/data/feature_groups/driver_stats_v1")) {
      if (entry.path().extension() == ".parquet") files.push_back(entry.path());
    }
    return files;
  }

  GroupRepository repository_;
  std::unique_ptr<MaterializedFeatureStore> store_;
};

TEST_P(MaterializedTest, FeaturesAreThoseOfTheMoment) {
  Write({{1, 0, 10, 4}, {1, 2, 12, 4.5}, {2, 1, 20, 3}});
  EXPECT_EQ(TripsAt({1, 2, 3}, 1), "1 | 10\n2 | 20\n3 | null\n");
  EXPECT_EQ(TripsAt({2, 1, 1}, 2), "2 | 20\n1 | 12\n1 | 12\n");
  EXPECT_EQ(TripsAt({1}, -1), "1 | null\n");
  EXPECT_EQ(TripsAt({}, 1), "");
  // Each row at its own moment.
  const auto rows = store_->GetFeatures(
      {.names = {"rating", "driver_stats@v1:trips"},
       .entity_ids = DriverRows({{1, 1, 0, 0}, {1, 3, 0, 0}})->SelectColumns({0, 1}).ValueOrDie()});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(RowsText(**rows),
            "1 | 2026-11-20 01:00:00.000000Z | 4 | 10\n1 | 2026-11-20 03:00:00.000000Z | 4.5 | 12\n");
}

TEST_P(MaterializedTest, AppendOverwriteAndBackfill) {
  EXPECT_EQ(Write({{1, 0, 10, 4}, {1, 5, 15, 4}}).rows_total, 2);
  EXPECT_EQ(Write({{1, 3, 13, 4}}).rows_total, 3);
  EXPECT_EQ(TripsAt({1}, 4), "1 | 13\n");
  // The same moment again: the later write wins, and nothing is lost.
  EXPECT_EQ(Write({{1, 3, 14, 4}}).rows_total, 4);
  EXPECT_EQ(TripsAt({1}, 4), "1 | 14\n");
  // A backfill takes the place of what lies within its times, however often it runs.
  for (int run = 0; run < 2; ++run) {
    const WriteReport report = Write({{1, 2, 22, 4}, {1, 4, 24, 4}}, {.backfill = true});
    EXPECT_EQ(report.rows_total, 4);
    EXPECT_EQ(report.rows_replaced, 2);
  }
  EXPECT_EQ(TripsAt({1}, 3), "1 | 22\n");
  EXPECT_EQ(TripsAt({1}, 6), "1 | 15\n");
  const auto cleared = store_->Backfill("driver_stats", *DriverRows({{1, 1, 11, 4}}), kMidnight + kHour,
                                        kMidnight + 4 * kHour);
  ASSERT_TRUE(cleared.ok()) << cleared.status().ToString();
  EXPECT_EQ(cleared->rows_replaced, 2);
  EXPECT_EQ(TripsAt({1}, 4.5), "1 | 11\n");
  EXPECT_EQ(Write({{2, 0, 1, 1}}, {.mode = WriteMode::kOverwrite}).rows_replaced, 3);
  EXPECT_EQ(TripsAt({1, 2}, 9), "1 | null\n2 | 1\n");
  if (!IsDelta()) {
    EXPECT_EQ(FilesOnDisk().size(), 1) << "files that no manifest names are removed";
  }
}

TEST_P(MaterializedTest, ARefusedWriteLeavesTheTable) {
  Write({{1, 0, 10, 4}});
  const auto bad =
      store_->WriteFeatures("driver_stats", *DriverRows({{1, 1, 11, 9}}), {.mode = WriteMode::kOverwrite});
  EXPECT_EQ(bad.status().reason(), Reason::kSchemaValidation);
  EXPECT_EQ(store_->Backfill("driver_stats", *DriverRows({{1, 9, 1, 1}}), kMidnight, kMidnight + kHour)
                .status()
                .reason(),
            Reason::kSchemaValidation);
  EXPECT_EQ(
      store_
          ->WriteFeatures("driver_stats", *DriverRows({}), {.mode = WriteMode::kOverwrite, .backfill = true})
          .status()
          .reason(),
      Reason::kMetadata);
  EXPECT_EQ(store_->WriteFeatures("driver_stat", *DriverRows({}), {}).status().reason(),
            Reason::kFeatureGroupNotFound);
  EXPECT_EQ(TripsAt({1}, 9), "1 | 10\n");
}

TEST_P(MaterializedTest, ErrorsOfReadingNameWhatWasAsked) {
  Write({{1, 0, 10, 4}});
  const auto reason = [&](const FeatureGroupRequest& request) {
    return store_->GetFeatures(request).status().reason();
  };
  const auto ids = Drivers({1});
  EXPECT_EQ(reason({.names = {"driver_stats:tips"}, .entity_ids = ids}), Reason::kFeatureNotFound);
  EXPECT_EQ(reason({.names = {"tips"}, .entity_ids = ids}), Reason::kFeatureNotFound);
  EXPECT_EQ(reason({.names = {"drivers:trips"}, .entity_ids = ids}), Reason::kFeatureGroupNotFound);
  EXPECT_EQ(reason({.names = {"driver_stats@v7:trips"}, .entity_ids = ids}), Reason::kFeatureGroupNotFound);
  EXPECT_EQ(reason({.names = {}, .entity_ids = ids}), Reason::kNoFeatures);
  EXPECT_EQ(reason({.names = {"trips"}, .entity_ids = ids->RenameColumns({"id"}).ValueOrDie()}),
            Reason::kMissingColumns);
  EXPECT_EQ(reason({.names = {"trips", "driver_stats:trips"}, .entity_ids = ids}), Reason::kNameCollision);
  EXPECT_EQ(reason({.names = {"trips"}}), Reason::kMissingColumns);
}

TEST_P(MaterializedTest, AnAddedFeatureIsNullInEarlierRowsAndVersionsHaveTablesOfTheirOwn) {
  Write({{1, 0, 10, 4}});
  FeatureGroupSchema more = DriverStats();
  more.features.push_back({.name = "city", .data_type = DataType::kString});
  ASSERT_TRUE(store_->RegisterFeatureGroup(more).ok());
  const auto rows = store_->GetFeatures({.names = {"city", "trips"}, .entity_ids = Drivers({1})});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(RowsText(**rows), "1 | null | 10\n");
  FeatureGroupSchema second = DriverStats();
  second.version = 2;
  ASSERT_TRUE(store_->RegisterFeatureGroup(second).ok());
  Write({{1, 0, 77, 4}});
  const auto both = store_->GetFeatures(
      {.names = {"driver_stats@v1:trips", "driver_stats:rating"}, .entity_ids = Drivers({1})});
  ASSERT_TRUE(both.ok()) << both.status().ToString();
  EXPECT_EQ(RowsText(**both), "1 | 10 | 4\n");
  EXPECT_EQ(TripsAt({1}, 1), "1 | 77\n");
}

TEST_P(MaterializedTest, ALookupReadsTheRowGroupsOfItsKeysAndTheCacheSavesThem) {
  std::vector<std::vector<double>> rows;
  for (int driver = 0; driver < 50'000; ++driver) {
    for (int hour = 0; hour < 2; ++hour)
      rows.push_back(
          {static_cast<double>((driver * 7919) % 50'000), static_cast<double>(hour), 1.0 * driver, 3});
  }
  Write(rows);
  EXPECT_EQ(TripsAt({7919}, 5), "7919 | 1\n");
  const LookupStats one = store_->lookup_stats();
  EXPECT_EQ(one.row_groups, 7);
  EXPECT_EQ(one.row_groups_read, 1);
  const auto size = std::filesystem::file_size(FilesOnDisk().front());
  EXPECT_LT(one.bytes_read, static_cast<int64_t>(size) / 3);
  EXPECT_EQ(store_->cache_stats().hits, 0);
  EXPECT_EQ(TripsAt({7918, 7919}, 5).substr(0, 4), "7918");
  EXPECT_EQ(store_->lookup_stats().bytes_read, one.bytes_read) << "all of it was in the cache";
  EXPECT_EQ(store_->cache_stats().hits, 3);
  EXPECT_DOUBLE_EQ(store_->cache_stats().hit_rate(), 0.5);
  // A write is noticed, by this store and by another.
  const auto other = repository_.Materialized();
  EXPECT_EQ(TripsAt({7919}, 5, other.get()), "7919 | 1\n");
  Write({{7919, 3, 42, 1}});
  EXPECT_EQ(TripsAt({7919}, 5), "7919 | 42\n");
  EXPECT_EQ(TripsAt({7919}, 5, other.get()), "7919 | 42\n");
}

TEST_P(MaterializedTest, TheCacheStaysWithinItsBytes) {
  std::vector<std::vector<double>> rows;
  for (int driver = 0; driver < 200'000; ++driver) rows.push_back({1.0 * driver, 0, 1.0 * driver, 3});
  Write(rows);
  const auto small = repository_.Materialized({.cache_size_mb = 1});
  const auto off = repository_.Materialized({.cache_enabled = false});
  for (int64_t driver = 0; driver < 200'000; driver += 9'000) {
    EXPECT_EQ(TripsAt({driver}, 1, small.get()), TripsAt({driver}, 1, off.get()));
    EXPECT_LE(small->cache_stats().bytes, 1 << 20);
  }
  EXPECT_GT(small->cache_stats().evictions, 0);
  EXPECT_EQ(off->cache_stats().entries, 0);
  EXPECT_EQ(off->cache_stats().hits, 0);
}

TEST_P(MaterializedTest, TheFeatureStoreReadsTheSameTableAsAView) {
  Write({{1, 0, 10, 4}});
  Write({{1, 2, 12, 4}, {2, 1, 20, 4}});
  Write({{3, 1, 1, 1}}, {.backfill = true});
  std::ofstream(repository_.folder() + "/feature_store.yaml") << "project: test\nregistry: registry.db\n";
  // What a killed write leaves.
  std::filesystem::copy_file(FilesOnDisk().front(), FilesOnDisk().front().parent_path() / "00000009.parquet");
  const auto store = FeatureStore::Open(repository_.folder());
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  const auto job = (*store)->GetHistoricalFeatures(
      {.entities = DriverRows({{1, 1, 0, 0}, {1, 5, 0, 0}, {2, 5, 0, 0}, {3, 5, 0, 0}})
                       ->SelectColumns({0, 1})
                       .ValueOrDie(),
       .features = {"driver_stats_v1:trips"}});
  ASSERT_TRUE(job.ok()) << job.status().ToString();
  const auto rows = (*job)->Run();
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(RowsText(*(*rows)->SelectColumns({0, 2}).ValueOrDie()), "1 | 10\n1 | 12\n2 | null\n3 | 1\n");
}

TEST_P(MaterializedTest, DatesAndDecimalsComeBackWhole) {
  FeatureGroupSchema schema = DriverStats();
  schema.name = "money";
  schema.features = {{.name = "day", .data_type = DataType::kDate},
                     {.name = "paid", .data_type = DataType::kDecimal}};
  ASSERT_TRUE(store_->RegisterFeatureGroup(schema).ok());
  const auto rows =
      JsonTable({arrow::field("driver_id", arrow::int64()),
                 arrow::field("event_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                 arrow::field("day", arrow::date32()), arrow::field("paid", arrow::decimal128(38, 3))},
                {"[1]", "[0]", "[20000]", "[\"12345678901234567890.125\"]"});
  const auto written = store_->WriteFeatures("money", *rows, {});
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  const auto back =
      store_->GetFeatures({.names = {"day", "paid"}, .entity_ids = Drivers({1}), .full_feature_names = true});
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(RowsText(**back), "1 | 2024-10-04 | 12345678901234567890.125\n");
  EXPECT_EQ((*back)->schema()->field(1)->name(), "money__day");
}

TEST_P(MaterializedTest, ReadersAndAWriterAtOnce) {
  Write({{1, 0, 1, 1}});
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, own = repository_.Materialized()] {
      while (!stop) {
        const std::string text = TripsAt({1}, 1, own.get());
        if (text.substr(0, 4) != "1 | " || text == "1 | null\n") ++bad;
      }
    });
  }
  for (int i = 0; i < 25; ++i) Write({{1, 0, 1.0 * i, 1}}, {.mode = WriteMode::kOverwrite});
  stop = true;
  readers.clear();
  EXPECT_EQ(bad, 0);
}

// The power goes at every changing call of a write: what was acknowledged is there, and the table is one of
// the two.
INSTANTIATE_TEST_SUITE_P(Formats, MaterializedTest, testing::Values("parquet", "delta"),
                         [](const auto& format) { return std::string(format.param); });

class MaterializedPowerLoss : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Formats, MaterializedPowerLoss, testing::Values("parquet", "delta"),
                         [](const auto& format) { return std::string(format.param); });

TEST_P(MaterializedPowerLoss, AWriteIsThereOrNotAndAcknowledgedMeansThere) {
  const auto ids = Drivers({1, 2});
  const auto needs_schema = StoredColumns({.schema = DriverStats()}, {"trips"}).value();
  const auto read = [&](FeatureTable* table) {
    const auto rows = table->RowsOf(*ids, *needs_schema, INT64_MAX);
    return rows.ok() ? RowsText(*(*rows)->SelectColumns({0, 2}).ValueOrDie()) : rows.status().ToString();
  };
  const auto first = CheckRows(DriverStats(), *DriverRows({{1, 0, 1, 1}})).value();
  const auto second = CheckRows(DriverStats(), *DriverRows({{2, 0, 2, 2}})).value();
  const TimeRange everything;
  for (const TimeRange* replaced : {static_cast<const TimeRange*>(nullptr), &everything}) {
    const std::string before = "1 | 1\n", after = replaced == nullptr ? "1 | 1\n2 | 2\n" : "2 | 2\n";
    for (const PowerLoss loss : kEveryPowerLoss) {
      bool finished = false;
      for (int64_t calls = 0; !finished; ++calls) {
        ASSERT_LT(calls, 100);
        PowerLossFiles files;
        StandingClock clock;
        const auto open = [&] {
          return NewFeatureTable(GetParam(), "/t", {"driver_id"}, "event_timestamp",
                                 {&files, &clock, nullptr});
        };
        ASSERT_TRUE(open()->Write(*first, nullptr).ok());
        files.PowerOffIn(calls);
        const auto written = open()->Write(*second, replaced);
        finished = !files.power_is_off();
        files.PowerOn(loss);
        const std::string now = read(open().get());
        EXPECT_TRUE(now == after || (!written.ok() && now == before))
            << "call " << calls << ", loss " << static_cast<int>(loss) << ", " << written.status().ToString()
            << ": " << now;
        // And the next write finds a table that it can add to.
        ASSERT_TRUE(open()->Write(*second, &everything).ok());
        EXPECT_EQ(read(open().get()), "2 | 2\n");
      }
    }
  }
}

TEST_P(MaterializedTest, OperationsAreLoggedWithGroupRowsAndTime) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kOff, .rooms = {{"groups", LogLevel::kInfo}}}).ok());
  testing::internal::CaptureStderr();
  Write({{1, 0, 10, 4}});
  (void)TripsAt({1}, 1);
  (void)store_->WriteFeatures("driver_stats", *DriverRows({{1, 0, -1, 4}}), {});
  const std::string lines = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(ConfigureLog({}).ok());
  for (const char* part : {"\"operation\": \"write_features\", \"group\": \"driver_stats\", \"rows\": 1, "
                           "\"columns\": 4, \"mode\": \"append\", "
                           "\"rows_replaced\": 0, \"rows_total\": 1, \"duration_us\": ",
                           "\"operation\": \"get_features\", \"features\": 1, \"rows\": 1, \"groups\": "
                           "\"driver_stats_v1\", \"duration_us\": ",
                           "\"level\": \"warn\"", "out of range (at least 0)"}) {
    EXPECT_NE(lines.find(part), std::string::npos) << "no " << part << "\nin " << lines;
  }
}

}  // namespace
}  // namespace salver
