// What apply makes of aggregations: features, or all that is wrong with them.
#include <gtest/gtest.h>

#include "registry/definitions_yaml.h"

namespace salver {
namespace {

constexpr char kRest[] =
    "entities:\n"
    "  - {name: driver, join_keys: [driver_id], value_type: INT64}\n"
    "sources:\n"
    "  - {name: trips, path: trips.parquet, timestamp_field: ts, field_mapping: {fare_usd: fare}}\n"
    "feature_views:\n"
    "  - name: spent\n"
    "    entities: [driver]\n"
    "    source: trips\n";

Result<std::vector<SourceColumnInfo>> Columns(const feast::core::DataSource&) {
  return std::vector<SourceColumnInfo>{{"ts", ValueType::kUnixTimestamp},
                                       {"driver_id", ValueType::kInt64},
                                       {"fare_usd", ValueType::kFloat},
                                       {"seats", ValueType::kInt32},
                                       {"city", ValueType::kString}};
}

Definitions Apply(const std::string& view) {
  Definitions definitions;
  ParseYamlDefinitions({{"f.yaml", kRest + view}}, &definitions);
  InferDefinitions(Columns, "p", &definitions);
  ValidateDefinitions(&definitions);
  return definitions;
}

TEST(AggregatedFeatures, NamesAndTypesComeFromTheAggregations) {
  const Definitions definitions = Apply(
      "    aggregations:\n"
      "      - {column: fare, function: sum, time_window: 1h}\n"
      "      - {column: seats, function: sum, time_window: 7d, slide_interval: 1d}\n"
      "      - {column: city, function: last}\n"
      "      - {column: city, function: count_distinct, time_window: 90, name: cities}\n"
      "      - {column: seats, function: approx_p99.9, time_window: 1d}\n");
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  const auto& spec = definitions.registry.feature_views(0).spec();
  std::vector<std::string> features;
  for (const auto& feature : spec.features())
    features.push_back(feature.name() + " " + ValueTypeName(static_cast<ValueType>(feature.value_type())));
  EXPECT_EQ(features,
            (std::vector<std::string>{"sum_fare_3600s DOUBLE", "sum_seats_604800s INT64", "last_city STRING",
                                      "cities INT64", "approx_p99.9_seats_86400s INT32"}));
  EXPECT_EQ(spec.aggregations(0).slide_interval().seconds(), 3600);  // Feast's default
  EXPECT_EQ(spec.aggregations(1).slide_interval().seconds(), 86'400);
  EXPECT_FALSE(spec.aggregations(2).has_time_window());
}

TEST(AggregatedFeatures, ASchemaMayChooseAndWiden) {
  const Definitions definitions = Apply(
      "    schema: [{name: sum_seats_3600s, dtype: Float64}, {name: driver_id, dtype: Int64}]\n"
      "    aggregations:\n"
      "      - {column: fare, function: mean, time_window: 1h}\n"
      "      - {column: seats, function: sum, time_window: 1h}\n");
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  ASSERT_EQ(definitions.registry.feature_views(0).spec().features_size(), 1);
}

TEST(AggregatedFeatures, EverythingWrongIsSaidAtOnce) {
  const std::string message =
      Apply(
          "    schema: [{name: sum_fare_3600, dtype: Float64}, {name: last_city_60s, dtype: Int64}]\n"
          "    aggregations:\n"
          "      - {column: fare, function: sum, time_window: 1h}\n"
          "      - {column: fare, function: sum, time_window: 1h}\n"
          "      - {column: fares, function: sum, time_window: 1h}\n"
          "      - {column: fare, function: summ, time_window: 1h}\n"
          "      - {column: city, function: mean, time_window: 1h}\n"
          "      - {column: city, function: last, time_window: 60}\n"
          "      - {column: seats, function: min, time_window: 0}\n"
          "      - {column: seats, function: max, time_window: 1h, slide_interval: 2h}\n"
          "      - {function: max, time_window: 1h}\n")
          .ToStatus()
          .message();
  for (const char* words :
       {"f.yaml:6", "two aggregations fill feature \"sum_fare_3600s\"",
        "aggregation \"sum_fares_3600s\": column \"fares\" is not in its source. Did you mean \"fare\"?",
        "aggregation function \"summ\" is not known. Did you mean \"sum\"?",
        "function \"mean\" can not be applied to column \"city\": it is for numbers, and the column is "
        "STRING.",
        "aggregation \"min_seats\": its time_window is not positive",
        "aggregation \"max_seats_3600s\": its slide_interval is longer than its time_window",
        "it names no column",
        "feature \"sum_fare_3600\" is filled by none of its aggregations. Did you mean \"sum_fare_3600s\"?",
        "feature \"last_city_60s\" is declared INT64, and its aggregation gives STRING"})
    EXPECT_NE(message.find(words), std::string::npos) << "no \"" << words << "\" in: " << message;
}

TEST(AggregatedFeatures, YamlSaysWhereAKeyIsWrong) {
  const std::string message = Apply(
                                  "    aggregations: [{column: fare, function: sum, window: 1h}]\n"
                                  "  - {name: other, entities: [driver], source: trips, aggregations: "
                                  "[{column: fare, function: sum, time_window: soon}]}\n")
                                  .ToStatus()
                                  .message();
  for (const char* words : {"f.yaml:9", "key \"window\" is not known in an aggregation", "f.yaml:10",
                            "time_window \"soon\" is no duration"})
    EXPECT_NE(message.find(words), std::string::npos) << "no \"" << words << "\" in: " << message;
}

}  // namespace
}  // namespace salver
