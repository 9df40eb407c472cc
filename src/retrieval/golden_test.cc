// Answers of real Feast 0.67: its point-in-time cases and its quickstart. Rows are compared without their
// order, as Feast's engines do not keep it; where Dask and DuckDB differ, DuckDB's rows are right
// (docs/differences-from-feast.md).
#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "base/clock.h"
#include "engine/local_engine.h"
#include "feast/core/Registry.pb.h"
#include "retrieval/test_repository.h"
#include "source/table_file.h"
#include "test/source_dir.h"

namespace salver {
namespace {

constexpr int64_t kHour = int64_t{3600} * kMicrosPerSecond;
const std::string kGolden = std::string(kSourceDir) + "/test/golden/";

// A value as text that does not depend on how wide its number is: Feast turns integers with nulls into
// floats.
std::string CellText(const arrow::ChunkedArray& column, int64_t row) {
  const auto scalar = column.GetScalar(row).ValueOrDie();
  if (!scalar->is_valid) return "NULL";
  switch (column.type()->id()) {
    case arrow::Type::TIMESTAMP: {
      const auto micros = scalar->CastTo(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")).ValueOrDie();
      return FormatTime(static_cast<const arrow::TimestampScalar&>(*micros).value);
    }
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return scalar->CastTo(arrow::float64()).ValueOrDie()->ToString();
    default:
      return scalar->ToString();
  }
}

std::vector<std::string> Rows(const arrow::Table& table, const std::vector<std::string>& columns) {
  std::vector<std::string> rows;
  for (int64_t row = 0; row < table.num_rows(); ++row) {
    std::string& text = rows.emplace_back();
    for (const std::string& column : columns)
      text += column + "=" + CellText(*table.GetColumnByName(column), row) + " ";
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

void ExpectSameRows(const arrow::Table& answer, const arrow::Table& expected) {
  EXPECT_EQ(answer.ColumnNames(), expected.ColumnNames());
  EXPECT_EQ(Rows(answer, expected.ColumnNames()), Rows(expected, expected.ColumnNames()));
}

TestView Driver(const std::string& name = "fv", const std::string& feature = "x") {
  return {.name = name,
          .path = "src.parquet",
          .join_keys = {{.name = "driver_id", .type = ValueType::kInt64}},
          .features = {{.name = feature, .type = ValueType::kInt64}},
          .ttl_us = 2 * kHour,
          .created_column = "created"};
}

struct GoldenCase {
  std::string name;
  std::vector<TestView> views;
  HistoricalRequest request;
  FeatureService service = {};
  std::string expected = "expected_duckdb.parquet";
};

void PrintTo(const GoldenCase& golden, std::ostream* out) {
  *out << golden.name;
}

std::vector<GoldenCase> GoldenCases() {
  std::vector<GoldenCase> cases;
  const auto with = [](TestView view, const std::function<void(TestView*)>& change) {
    change(&view);
    return view;
  };
  const HistoricalRequest x{.features = {"fv:x"}};
  for (const char* name :
       {"ttl_bounds", "duplicate_entity_rows", "null_keys", "ties_created", "inferred_ts_column_tz"}) {
    cases.push_back({name, {Driver()}, x});
  }
  for (const char* name : {"ttl_zero", "ttl_none"}) {
    cases.push_back({name, {with(Driver(), [](TestView* view) { view->ttl_us = 0; })}, x});
  }
  cases.push_back(
      {"ties_created_cutoff", {Driver()}, {.features = {"fv:x"}, .filter_by_created_timestamp = true}});
  cases.push_back({"string_keys_naive_ts",
                   {with(Driver(),
                         [](TestView* view) {
                           view->join_keys = {{.name = "customer_id", .type = ValueType::kString}};
                         })},
                   x});
  cases.push_back({"field_mapping",
                   {with(Driver(),
                         [](TestView* view) {
                           view->event_column = "ts";
                           view->field_mapping = {{"raw_x", "x"}};
                         })},
                   x});
  cases.push_back({"composite_keys",
                   {with(Driver(),
                         [](TestView* view) {
                           view->join_keys.push_back({.name = "customer_id", .type = ValueType::kString});
                           view->features.push_back({.name = "w", .type = ValueType::kDouble});
                         })},
                   {.features = {"fv:w", "fv:x"}, .full_feature_names = true}});
  cases.push_back({"entityless_view",
                   {with(Driver("glob", "g"),
                         [](TestView* view) {
                           view->path = "s.parquet";
                           view->join_keys.clear();
                           view->ttl_us = 24 * kHour;
                         })},
                   {.features = {"glob:g"}}});
  cases.push_back({"two_views_order",
                   {with(Driver("a", "x"), [](TestView* view) { view->path = "s1.parquet"; }),
                    with(Driver("b", "z"), [](TestView* view) { view->path = "s2.parquet"; })},
                   {.features = {"b:z", "a:x"}}});
  cases.push_back({"alias_join_key_map",
                   {with(Driver("fv", "temp"),
                         [](TestView* view) {
                           view->join_keys = {{.name = "loc_id", .type = ValueType::kInt64}};
                           view->ttl_us = 24 * kHour;
                         })},
                   {.feature_service = "svc", .full_feature_names = true},
                   {.name = "svc",
                    .projections = {{"fv", "origin", {"temp"}, {{"loc_id", "origin_id"}}},
                                    {"fv", "dest", {"temp"}, {{"loc_id", "dest_id"}}}}}});
  // DuckDB has no range without entity rows, so this one is Dask's answer.
  cases.push_back({"no_entity_df_date_range",
                   {Driver()},
                   {.features = {"fv:x"},
                    .start_us = ParseTime("2024-01-01T07:00:00Z")->micros,
                    .end_us = ParseTime("2024-01-01T10:00:00Z")->micros},
                   {},
                   "expected_dask.parquet"});
  return cases;
}

class GoldenPit : public testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenPit, AnswersAsFeastDoes) {
  const GoldenCase& golden = GetParam();
  TestRepository repository(kGolden + "pit/" + golden.name);
  for (const TestView& view : golden.views) repository.Add(view);
  if (!golden.service.name.empty()) repository.Add(golden.service);
  HistoricalRequest request = golden.request;
  if (!request.end_us) request.entities = ReadTableFile(repository.folder() + "/entity_df.parquet").value();
  const auto answer = repository.Retrieve(request);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  ExpectSameRows(**answer, *ReadTableFile(repository.folder() + "/" + golden.expected).value());
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenPit, testing::ValuesIn(GoldenCases()),
                         [](const auto& info) { return info.param.name; });

class GoldenQuickstart : public testing::TestWithParam<bool> {};

// The plain feature view's columns; its on-demand views are refused, as this release does not run them.
TEST_P(GoldenQuickstart, AnswersAsFeastDoes) {
  const std::string folder = kGolden + "quickstart/";
  auto registry = std::make_shared<feast::core::Registry>();
  std::ifstream file(folder + "registry_after_apply.db", std::ios::binary);
  ASSERT_TRUE(registry->ParseFromIstream(&file));
  const auto snapshot = RegistrySnapshot::Make(registry, "quickstart").value();
  HistoricalRequest request;
  request.entities = ReadTableFile(folder + "entity_df.parquet").value();
  request.full_feature_names = GetParam();
  const char* kView = "driver_hourly_stats";
  std::vector<std::string> columns = request.entities->ColumnNames();
  for (const char* feature :
       {"conv_rate", "acc_rate", "avg_daily_trips", "driver_profile", "driver_config", "driver_metadata"}) {
    request.features.push_back(std::string(kView) + ":" + feature);
    columns.push_back(GetParam() ? std::string(kView) + "__" + feature : feature);
  }
  const RetrievalContext context{.offline = NewOfflineStores({.folder = folder}), .engine = NewLocalEngine()};
  const auto job = PlanHistoricalFeatures(snapshot, request, context);
  ASSERT_TRUE(job.ok()) << job.status().ToString();
  const auto answer = (*job)->Run();
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ((*answer)->ColumnNames(), columns);
  const auto expected =
      ReadTableFile(folder + (GetParam() ? "historical_features_full_names_expected_dask.parquet"
                                         : "historical_features_expected_dask.parquet"))
          .value();
  EXPECT_EQ(Rows(**answer, columns), Rows(*expected, columns));

  request.features.push_back("transformed_conv_rate:conv_rate_plus_val1");
  const auto refused = PlanHistoricalFeatures(snapshot, request, context).status();
  EXPECT_EQ(refused.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(refused.reason(), Reason::kNotExecutedYet);
}

INSTANTIATE_TEST_SUITE_P(Names, GoldenQuickstart, testing::Bool(),
                         [](const auto& info) { return info.param ? "Full" : "Plain"; });

}  // namespace
}  // namespace salver
