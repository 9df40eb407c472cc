// Feature groups against brute force: random writes of every kind and random questions of a table, and random
// rows against a schema. The oracles are plain loops over rows in a vector; what they are worth is shown by
// bugs planted in front of the store and of the check, each of which they must find.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>

#include "groups/group_fixture.h"
#include "salver/feature_schema.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

class Random {
 public:
  explicit Random(uint64_t seed) : random_(seed) {}
  int64_t Below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }
  bool OneIn(int64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

std::shared_ptr<arrow::Array> Integers(const std::vector<std::optional<int64_t>>& values) {
  arrow::Int64Builder builder;
  for (const auto& value : values) (void)(value ? builder.Append(*value) : builder.AppendNull());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Moments(const std::vector<std::optional<int64_t>>& micros) {
  return arrow::compute::Cast(*Integers(micros), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))
      .ValueOrDie();
}

struct Row {
  int64_t driver = 0, micros = 0;
  std::optional<int64_t> trips, rating;
};

TablePtr TableOf(const std::vector<Row>& rows) {
  std::vector<std::optional<int64_t>> drivers, times, trips, ratings;
  for (const Row& row : rows) {
    drivers.push_back(row.driver);
    times.push_back(row.micros);
    trips.push_back(row.trips);
    ratings.push_back(row.rating);
  }
  const std::vector<std::shared_ptr<arrow::Array>> columns = {
      Integers(drivers), Moments(times), Integers(trips),
      arrow::compute::Cast(*Integers(ratings), arrow::float64()).ValueOrDie()};
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()),
                     arrow::field("event_timestamp", columns[1]->type()),
                     arrow::field("trips", arrow::int64()), arrow::field("rating", arrow::float64())}),
      columns);
}

constexpr int64_t kDrivers = 6, kMoments = 9;

// One of a few moments, so that rows and questions often fall together; or the one just before or after it.
int64_t RandomMoment(Random* random, bool beside) {
  return kMidnight + random->Below(kMoments) * kHour + (beside ? random->Below(3) - 1 : 0);
}

std::vector<Row> RandomRows(Random* random) {
  std::vector<Row> rows(static_cast<size_t>(random->Below(8) + 1));
  for (Row& row : rows) {
    row = {random->Below(kDrivers), RandomMoment(random, false), random->Below(1000), random->Below(6)};
    if (random->OneIn(6)) row.trips.reset();
  }
  return rows;
}

// The newest row of a driver at a moment; of several at one time the one that was written last.
const Row* Newest(const std::vector<Row>& rows, int64_t driver, int64_t at_us) {
  const Row* newest = nullptr;
  for (const Row& row : rows) {
    if (row.driver == driver && row.micros <= at_us && (newest == nullptr || row.micros >= newest->micros))
      newest = &row;
  }
  return newest;
}

std::string Text(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "null";
}

// What the store must hold after writes like these; "" when it does what was asked.
std::string WriteBoth(MaterializedFeatureStore* store, std::vector<Row>* model, Random* random) {
  const std::vector<Row> rows = RandomRows(random);
  const auto earlier = [](const Row& a, const Row& b) { return a.micros < b.micros; };
  int64_t first = std::min_element(rows.begin(), rows.end(), earlier)->micros;
  int64_t last = std::max_element(rows.begin(), rows.end(), earlier)->micros;
  const auto forget = [&] {
    std::erase_if(*model, [&](const Row& row) { return row.micros >= first && row.micros <= last; });
  };
  Result<WriteReport> report = WriteReport();
  switch (random->Below(6)) {
    case 0:
      model->clear();
      report = store->WriteFeatures("driver_stats", *TableOf(rows), {.mode = WriteMode::kOverwrite});
      break;
    case 1:
      forget();
      report = store->WriteFeatures("driver_stats", *TableOf(rows), {.backfill = true});
      break;
    case 2:
      first -= random->Below(2) * kHour;
      last += random->Below(2) * kHour;
      forget();
      report = store->Backfill("driver_stats", *TableOf(rows), first, last);
      break;
    default:
      report = store->WriteFeatures("driver_stats", *TableOf(rows), {});
  }
  model->insert(model->end(), rows.begin(), rows.end());
  if (!report.ok()) return report.status().ToString();
  if (report->rows_total == static_cast<int64_t>(model->size())) return "";
  return "the table has " + std::to_string(report->rows_total) + " rows, and " +
         std::to_string(model->size()) + " were written";
}

// One question, at one moment for all rows or at one for each.
std::string AskBoth(MaterializedFeatureStore* store, const std::vector<Row>& model, Random* random) {
  std::vector<std::optional<int64_t>> drivers, moments;
  FeatureGroupRequest request;
  const int64_t all_at = RandomMoment(random, true);
  const bool each = random->OneIn(2);
  for (int64_t i = random->Below(8); i >= 0; --i) {
    drivers.push_back(random->Below(kDrivers + 1));
    moments.push_back(each ? RandomMoment(random, true) : all_at);
  }
  arrow::FieldVector fields = {arrow::field("driver_id", arrow::int64())};
  std::vector<std::shared_ptr<arrow::Array>> columns = {Integers(drivers)};
  if (each) {
    columns.push_back(Moments(moments));
    fields.push_back(arrow::field("event_timestamp", columns[1]->type()));
  } else {
    request.point_in_time = all_at;
  }
  request.entity_ids = arrow::Table::Make(arrow::schema(fields), columns);
  request.names = random->OneIn(2) ? std::vector<std::string>{"driver_stats:rating", "driver_stats:trips"}
                                   : std::vector<std::string>{"trips"};
  std::string expected;
  for (size_t i = 0; i < drivers.size(); ++i) {
    const Row* row = Newest(model, *drivers[i], *moments[i]);
    expected += std::to_string(*drivers[i]);
    if (request.names.size() > 1) expected += " | " + Text(row == nullptr ? std::nullopt : row->rating);
    expected += " | " + Text(row == nullptr ? std::nullopt : row->trips) + "\n";
  }
  const auto answer = store->GetFeatures(request);
  if (!answer.ok()) return answer.status().ToString();
  std::string text;
  if (each) {
    std::vector<int> others = {0};
    for (int i = 2; i < (*answer)->num_columns(); ++i) others.push_back(i);
    text = RowsText(*(*answer)->SelectColumns(others).ValueOrDie());
  } else {
    text = RowsText(**answer);
  }
  return text == expected ? ""
                          : "asked at " + std::to_string(all_at) + ", answered\n" + text + "for\n" + expected;
}

// A table's life: writes, with questions after each. "" when every answer is that of the model.
std::string FindDifference(MaterializedFeatureStore* store, uint64_t seed) {
  Random random(seed);
  std::vector<Row> model;
  for (int step = 0; step < 15; ++step) {
    std::string difference = WriteBoth(store, &model, &random);
    for (int question = 0; question < 3 && difference.empty(); ++question)
      difference = AskBoth(store, model, &random);
    if (!difference.empty()) return "step " + std::to_string(step) + ": " + difference;
  }
  return "";
}

// A store with a bug: what is asked of it, or what it answers, is changed on the way.
class BuggyStore final : public MaterializedFeatureStore {
 public:
  struct Bug {
    std::string name;
    std::function<void(FeatureGroupRequest*)> ask = [](FeatureGroupRequest*) {};
    std::function<void(TablePtr*)> answer = [](TablePtr*) {};
    std::function<void(TablePtr*, WriteOptions*)> write = [](TablePtr*, WriteOptions*) {};
    int64_t end_us = 0;  // added to the end of what a backfill replaces
  };
  BuggyStore(std::unique_ptr<MaterializedFeatureStore> store, const Bug& bug)
      : store_(std::move(store)), bug_(bug) {}

  const std::shared_ptr<FeatureStoreMetadata>& metadata() const override { return store_->metadata(); }
  Result<FeatureGroup> RegisterFeatureGroup(const FeatureGroupSchema& schema) override {
    return store_->RegisterFeatureGroup(schema);
  }
  Result<WriteReport> WriteFeatures(const std::string& group, const arrow::Table& rows,
                                    const WriteOptions& options) override {
    TablePtr changed = rows.Slice(0);
    WriteOptions with = options;
    bug_.write(&changed, &with);
    return store_->WriteFeatures(group, *changed, with);
  }
  Result<WriteReport> Backfill(const std::string& group, const arrow::Table& rows, int64_t start_us,
                               int64_t end_us) override {
    return store_->Backfill(group, rows, start_us, end_us + bug_.end_us);
  }
  Result<TablePtr> GetFeatures(const FeatureGroupRequest& request) override {
    FeatureGroupRequest changed = request;
    bug_.ask(&changed);
    SALVER_ASSIGN(TablePtr rows, store_->GetFeatures(changed));
    bug_.answer(&rows);
    return rows;
  }
  CacheStats cache_stats() const override { return store_->cache_stats(); }
  LookupStats lookup_stats() const override { return store_->lookup_stats(); }
  HealthReport CheckHealth() override { return store_->CheckHealth(); }

 private:
  const std::unique_ptr<MaterializedFeatureStore> store_;
  const Bug bug_;
};

std::string DifferenceWith(const char* format, const BuggyStore::Bug& bug, uint64_t seed) {
  GroupRepository repository;
  BuggyStore store(repository.Materialized({.storage_format = format}), bug);
  const auto registered = store.RegisterFeatureGroup(DriverStats());
  if (!registered.ok()) return registered.status().ToString();
  std::string difference = FindDifference(&store, seed);
  if (!difference.empty() || format == std::string("delta")) return difference;
  const std::filesystem::directory_iterator files(repository.folder() +
                                                  "/data/feature_groups/driver_stats_v1");
  return std::distance(begin(files), end(files)) <= 12 ? "" : "small files are not merged";
}

std::vector<BuggyStore::Bug> PlantedBugs() {
  using Bug = BuggyStore::Bug;
  const auto last_row = [](TablePtr* rows) { *rows = (*rows)->Slice(0, (*rows)->num_rows() - 1); };
  return {
      Bug{.name = "rows at the very moment are not seen",
          .ask =
              [](FeatureGroupRequest* request) {
                if (request->point_in_time) --*request->point_in_time;
              }},
      Bug{.name = "rows just after the moment are seen",
          .ask =
              [](FeatureGroupRequest* request) {
                if (request->point_in_time) ++*request->point_in_time;
              }},
      Bug{.name = "the moment is not looked at",
          .ask =
              [](FeatureGroupRequest* request) {
                if (request->point_in_time) request->point_in_time = kMidnight + 1000 * kHour;
              }},
      Bug{.name = "answers come in another order",
          .answer =
              [](TablePtr* rows) {
                if ((*rows)->num_rows() > 1)
                  *rows = arrow::ConcatenateTables({(*rows)->Slice(1), (*rows)->Slice(0, 1)}).ValueOrDie();
              }},
      Bug{.name = "the last row of an answer is lost", .answer = last_row},
      Bug{.name = "the last row of a write is lost",
          .write = [last_row](TablePtr* rows, WriteOptions*) { last_row(rows); }},
      Bug{.name = "of equal times the one written first wins",
          .write =
              [](TablePtr* rows, WriteOptions*) {
                std::vector<TablePtr> reversed;
                for (int64_t i = (*rows)->num_rows(); i-- > 0;) reversed.push_back((*rows)->Slice(i, 1));
                *rows = arrow::ConcatenateTables(reversed).ValueOrDie();
              }},
      Bug{.name = "an overwrite appends",
          .write = [](TablePtr*, WriteOptions* options) { options->mode = WriteMode::kAppend; }},
      Bug{.name = "a backfill appends",
          .write = [](TablePtr*, WriteOptions* options) { options->backfill = false; }},
      Bug{.name = "a backfill replaces too much", .end_us = kHour},
  };
}

class GroupOracle : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Formats, GroupOracle, testing::Values("parquet", "delta"),
                         [](const auto& format) { return std::string(format.param); });

uint64_t FirstSeed() {
  const char* text = std::getenv("SALVER_SEED");
  const uint64_t seed = text == nullptr ? std::random_device{}() : std::strtoull(text, nullptr, 10);
  std::printf("first seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

TEST_P(GroupOracle, FeaturesOfAMomentAreThoseOfBruteForce) {
  const uint64_t first = FirstSeed();
  for (uint64_t seed = first; seed < first + 6; ++seed)
    ASSERT_EQ(DifferenceWith(GetParam(), {}, seed), "") << "SALVER_SEED=" << seed;
}

TEST_P(GroupOracle, FindsPlantedBugs) {
  const uint64_t first = FirstSeed();
  for (const BuggyStore::Bug& bug : PlantedBugs()) {
    bool found = false;
    for (uint64_t seed = first; !found && seed < first + 30; ++seed)
      found = !DifferenceWith(GetParam(), bug, seed).empty();
    EXPECT_TRUE(found) << bug.name;
  }
}

// Rows against a schema: which are refused, and what is said of them.

FeatureGroupSchema CheckedSchema() {
  FeatureGroupSchema schema = DriverStats();
  schema.features.push_back({.name = "city", .data_type = DataType::kString, .nullable = false});
  return schema;
}

using CheckFunction = std::function<Status(const FeatureGroupSchema& schema, const arrow::Table& rows)>;

// The rows of a column that are wrong, as the check says it.
struct Wrong {
  std::string subject;
  std::vector<size_t> rows;
  std::string Says() const {
    return subject + " in " + std::to_string(rows.size()) +
           (rows.size() == 1 ? " row: row " : " rows: row ") + std::to_string(rows[0]);
  }
};

// "" when `check` refuses what is wrong, names it, and refuses nothing else.
std::string FindWrongVerdict(const CheckFunction& check, uint64_t seed) {
  Random random(seed);
  const auto count = static_cast<size_t>(random.Below(40) + 1);
  Wrong wrong[] = {{"entity key \"driver_id\": null, which is not allowed,", {}},
                   {"timestamp key \"event_timestamp\": null, which is not allowed,", {}},
                   {"feature \"trips\": out of range (at least 0)", {}},
                   {"feature \"rating\": out of range (0 to 5)", {}},
                   {"feature \"city\": null, which is not allowed,", {}}};
  std::vector<std::optional<int64_t>> drivers, times, trips;
  arrow::DoubleBuilder ratings;
  arrow::StringBuilder cities;
  // Few faults: one that is missed is then the whole verdict.
  const auto fault = [&](size_t column, size_t row) {
    if (!random.OneIn(4 * static_cast<int64_t>(count))) return false;
    wrong[column].rows.push_back(row);
    return true;
  };
  for (size_t row = 0; row < count; ++row) {
    drivers.push_back(fault(0, row) ? std::nullopt : std::optional(random.Below(5) - 2));
    times.push_back(fault(1, row) ? std::nullopt : std::optional(kMidnight + random.Below(100)));
    trips.push_back(fault(2, row)     ? std::optional(-1 - random.Below(3))
                    : random.OneIn(5) ? std::nullopt
                                      : std::optional(random.Below(3)));
    if (fault(3, row)) {
      (void)ratings.Append(random.OneIn(2) ? -0.0001 : 5.0001);
    } else {
      (void)(random.OneIn(5) ? ratings.AppendNull() : ratings.Append(static_cast<double>(random.Below(6))));
    }
    (void)(fault(4, row) ? cities.AppendNull() : cities.Append(random.OneIn(2) ? "" : "Oslo"));
  }
  const std::vector<std::shared_ptr<arrow::Array>> columns = {Integers(drivers), Moments(times),
                                                              Integers(trips), ratings.Finish().ValueOrDie(),
                                                              cities.Finish().ValueOrDie()};
  arrow::FieldVector fields;
  for (const char* name : {"driver_id", "event_timestamp", "trips", "rating", "city"})
    fields.push_back(arrow::field(name, columns[fields.size()]->type()));
  const Status verdict = check(CheckedSchema(), *arrow::Table::Make(arrow::schema(fields), columns));
  bool any = false;
  for (const Wrong& one : wrong) {
    if (one.rows.empty()) {
      if (verdict.message().find(one.subject) != std::string::npos)
        return "it refuses good rows: " + verdict.message();
      continue;
    }
    any = true;
    if (verdict.message().find(one.Says()) == std::string::npos)
      return "it lacks " + one.Says() + "\nin " + verdict.ToString();
  }
  return verdict.ok() == any ? "the verdict is wrong: " + verdict.ToString() : "";
}

Status Check(const FeatureGroupSchema& schema, const arrow::Table& rows) {
  return CheckRows(schema, rows).status();
}

TEST(SchemaOracle, RowsAreRefusedForWhatIsWrongWithThem) {
  const uint64_t first = FirstSeed();
  for (uint64_t seed = first; seed < first + 1000; ++seed)
    ASSERT_EQ(FindWrongVerdict(Check, seed), "") << "SALVER_SEED=" << seed;
}

TEST(SchemaOracle, FindsPlantedBugs) {
  const auto with = [](const std::function<void(FeatureGroupSchema*)>& change) {
    return [change](const FeatureGroupSchema& schema, const arrow::Table& rows) {
      FeatureGroupSchema changed = schema;
      change(&changed);
      return Check(changed, rows);
    };
  };
  const std::pair<const char*, CheckFunction> planted[] = {
      {"the last row is not looked at",
       [](const FeatureGroupSchema& schema, const arrow::Table& rows) {
         return Check(schema, *rows.Slice(0, rows.num_rows() - 1));
       }},
      {"the first row is not looked at",
       [](const FeatureGroupSchema& schema, const arrow::Table& rows) {
         return Check(schema, *rows.Slice(1));
       }},
      {"the end of a range is outside",
       with([](auto* schema) { schema->features[1].metadata["max"] = "4.9"; })},
      {"a range has no end", with([](auto* schema) { schema->features[1].metadata.erase("max"); })},
      {"a range has no beginning", with([](auto* schema) { schema->features[0].metadata.erase("min"); })},
      {"nulls pass", with([](auto* schema) { schema->features[2].nullable = true; })},
      {"nulls are refused", with([](auto* schema) { schema->features[0].nullable = false; })},
      {"all passes", [](const FeatureGroupSchema&, const arrow::Table&) { return Status::OK(); }},
  };
  const uint64_t first = FirstSeed();
  for (const auto& [name, check] : planted) {
    bool found = false;
    for (uint64_t seed = first; !found && seed < first + 2000; ++seed)
      found = !FindWrongVerdict(check, seed).empty();
    EXPECT_TRUE(found) << name;
  }
}

}  // namespace
}  // namespace salver
