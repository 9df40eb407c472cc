#include "salver/feature_schema.h"

#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "groups/group_fixture.h"
#include "groups/value_range.h"

namespace salver {
namespace {

using arrow::field;

// The message of CheckRows, which has to refuse the rows.
std::string Refusal(const FeatureGroupSchema& schema, const arrow::Table& rows) {
  const auto checked = CheckRows(schema, rows);
  EXPECT_EQ(checked.status().reason(), Reason::kSchemaValidation) << checked.status().ToString();
  return checked.status().message();
}

FeatureGroupSchema With(const FeatureSchema& feature) {
  FeatureGroupSchema schema = DriverStats();
  schema.features = {feature};
  return schema;
}

// One row of driver 1 with this value of feature "f".
std::shared_ptr<arrow::Table> OneRow(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return JsonTable(
      {field("driver_id", arrow::int64()),
       field("event_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")), field("f", type)},
      {"[1]", "[1795132800000000]", "[" + json + "]"});
}

TEST(FeatureSchema, EveryDataTypeHasAnArrowForm) {
  const std::vector<std::tuple<FeatureSchema, std::shared_ptr<arrow::DataType>, std::string, std::string>>
      cases = {
          {{.name = "f", .data_type = DataType::kInt}, arrow::int64(), "7", "7"},
          {{.name = "f", .data_type = DataType::kBigint}, arrow::float64(), "7.0", "7"},
          {{.name = "f", .data_type = DataType::kFloat}, arrow::float64(), "0.5", "0.5"},
          {{.name = "f", .data_type = DataType::kDouble}, arrow::int32(), "3", "3"},
          {{.name = "f", .data_type = DataType::kDecimal},
           arrow::decimal128(38, 2),
           "\"12345678901234567890.10\"",
           "12345678901234567890.10"},
          {{.name = "f", .data_type = DataType::kDecimal}, arrow::utf8(), "\"-0.5\"", "-0.5"},
          {{.name = "f", .data_type = DataType::kString}, arrow::large_utf8(), "\"x\"", "x"},
          {{.name = "f", .data_type = DataType::kTimestamp},
           arrow::timestamp(arrow::TimeUnit::MILLI),
           "1000",
           "1970-01-01 00:00:01.000000Z"},
          {{.name = "f", .data_type = DataType::kDate}, arrow::date32(), "1", "1970-01-02 00:00:00.000000Z"},
          {{.name = "f", .data_type = DataType::kBoolean}, arrow::boolean(), "true", "true"},
          {{.name = "f", .data_type = DataType::kArray, .feature_type = FeatureType::kVector},
           arrow::list(arrow::float64()),
           "[1.5, 2]",
           "list<item: float>[1.5, 2]"},
          {{.name = "f", .data_type = DataType::kArray, .metadata = {{"element_type", "BIGINT"}}},
           arrow::list(arrow::int32()),
           "[1]",
           "list<item: int64>[1]"},
          {{.name = "f", .data_type = DataType::kMap},
           arrow::map(arrow::utf8(), arrow::utf8()),
           "[[\"a\", \"b\"]]",
           "map<string, string>[{key:string = a, value:string = b}]"},
          {{.name = "f",
            .data_type = DataType::kStruct,
            .feature_type = FeatureType::kComplex,
            .metadata = {{"fields", "{\"lat\": \"FLOAT64\"}"}}},
           arrow::struct_({field("lat", arrow::float64())}),
           "{\"lat\": 1.5}",
           "{lat:double = 1.5}"}};
  for (const auto& [feature, type, json, expected] : cases) {
    const auto rows = CheckRows(With(feature), *OneRow(type, json));
    ASSERT_TRUE(rows.ok()) << DataTypeName(feature.data_type) << ": " << rows.status().ToString();
    EXPECT_EQ((*rows)->column(2)->GetScalar(0).ValueOrDie()->ToString(), expected)
        << DataTypeName(feature.data_type);
    const auto nulls = CheckRows(With(feature), *OneRow(arrow::null(), "null"));
    ASSERT_TRUE(nulls.ok()) << nulls.status().ToString();
    EXPECT_EQ((*nulls)->column(2)->null_count(), 1);
  }
}

TEST(FeatureSchema, NamesOfTypesGoBothWays) {
  for (int i = 0; i <= static_cast<int>(DataType::kBoolean); ++i)
    EXPECT_EQ(*DataTypeNamed(DataTypeName(static_cast<DataType>(i))), static_cast<DataType>(i));
  for (int i = 0; i <= static_cast<int>(FeatureType::kComplex); ++i)
    EXPECT_EQ(*FeatureTypeNamed(FeatureTypeName(static_cast<FeatureType>(i))), static_cast<FeatureType>(i));
  EXPECT_NE(DataTypeNamed("BIGNT").status().message().find("\"BIGINT\""), std::string::npos);
}

TEST(FeatureSchema, EverythingThatIsWrongWithRowsIsSaidAtOnce) {
  FeatureGroupSchema schema = DriverStats();
  schema.features.push_back({.name = "city", .data_type = DataType::kString, .nullable = false});
  schema.features.push_back({.name = "level", .data_type = DataType::kInt});
  const auto time = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto rows = JsonTable(
      {field("driver_id", arrow::int64()), field("event_timestamp", time), field("trips", arrow::int64()),
       field("rating", arrow::float64()), field("level", arrow::float64()), field("cty", arrow::utf8())},
      {"[1, null, 3]", "[0, 1, null]", "[-4, 5, -6]", "[7.5, 5, null]", "[1, 2.5, 3e10]",
       "[\"a\", \"b\", \"c\"]"});
  const std::string text = Refusal(schema, *rows);
  for (const char* line :
       {"feature group \"driver_stats\" version 1: the rows do not fit its schema, and none was written.",
        "\n  entity key \"driver_id\": null, which is not allowed, in 1 row: row 1.",
        "\n  timestamp key \"event_timestamp\": null, which is not allowed, in 1 row: row 2.",
        "\n  feature \"trips\": out of range (at least 0) in 2 rows: row 0 (-4), row 2 (-6).",
        "\n  feature \"rating\": out of range (0 to 5) in 1 row: row 0 (7.5).",
        "\n  feature \"city\": the rows have no such column. Did you mean \"cty\"?",
        "\n  feature \"level\": no INT in 2 rows: row 1 (2.5), row 2 (3e+10).",
        "\n  column \"cty\" is not in the schema. Did you mean \"city\"?"}) {
    EXPECT_NE(text.find(line), std::string::npos) << "no " << line << "\nin " << text;
  }
}

TEST(FeatureSchema, ManyBadRowsAreCountedAndFewAreShown) {
  std::string column = "[-1";
  std::string zeros = "[0";
  for (int i = 1; i < 3000; ++i) {
    column += ", -1";
    zeros += ", 0";
  }
  const auto rows = JsonTable({field("driver_id", arrow::int64()),
                               field("event_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                               field("trips", arrow::int64())},
                              {zeros + "]", zeros + "]", column + "]"});
  const std::string text = Refusal(DriverStats(), *rows);
  EXPECT_NE(text.find("at least 1000 rows"), std::string::npos) << text;
  EXPECT_NE(text.find("row 4 (-1) and others."), std::string::npos) << text;
  EXPECT_LT(text.size(), 400u);
}

TEST(FeatureSchema, AColumnOfAnotherKindIsRefusedWithAnExample) {
  EXPECT_NE(Refusal(With({.name = "f", .data_type = DataType::kInt}), *OneRow(arrow::utf8(), "\"7\""))
                .find("feature \"f\": the column holds string, but INT is declared; row 0 has \"7\"."),
            std::string::npos);
  EXPECT_NE(Refusal(With({.name = "f", .data_type = DataType::kDecimal}), *OneRow(arrow::utf8(), "\"1e5\""))
                .find("no DECIMAL in 1 row: row 0 (\"1e5\")."),
            std::string::npos);
  EXPECT_NE(Refusal(With({.name = "f", .data_type = DataType::kDate}),
                    *OneRow(arrow::timestamp(arrow::TimeUnit::SECOND), "1"))
                .find("no date (not midnight in UTC) in 1 row"),
            std::string::npos);
}

TEST(FeatureSchema, ASchemaThatCanNotBeIsRefusedWithAllThatIsWrong) {
  FeatureGroupSchema schema{
      .name = "a b",
      .version = 0,
      .entity_keys = {{.name = "k", .data_type = DataType::kDouble}},
      .features = {{.name = "k", .data_type = DataType::kArray},
                   {.name = "s", .data_type = DataType::kStruct},
                   {.name = "n", .data_type = DataType::kInt, .metadata = {{"min", "x"}}},
                   {.name = "t", .data_type = DataType::kString, .metadata = {{"max", "9"}}},
                   {.name = "m", .data_type = DataType::kDouble, .metadata = {{"min", "2"}, {"max", "1"}}}}};
  const Status status = CheckSchema(schema);
  EXPECT_EQ(status.reason(), Reason::kMetadata);
  for (const char* line :
       {"its name is no name", "version 0 is no version", "entity key \"k\" is a DOUBLE",
        "two of its columns are called \"k\"", "\"k\" is an ARRAY without an element type",
        "\"s\" is a STRUCT without fields", "its min \"x\" is no INT",
        "\"t\" is a STRING, which has no min and no max", "its min 2 is above its max 1"}) {
    EXPECT_NE(status.message().find(line), std::string::npos) << "no " << line << "\nin " << status.message();
  }
}

TEST(FeatureSchema, WhatBreaksAVersionAndWhatDoesNot) {
  const FeatureGroupSchema before = DriverStats();
  const auto breaks = [&](auto change) {
    FeatureGroupSchema after = before;
    change(&after);
    return BreakingChanges(before, after);
  };
  using Schema = FeatureGroupSchema;
  EXPECT_TRUE(breaks([](Schema*) {}).empty());
  EXPECT_TRUE(breaks([](Schema* s) {
                s->description = "x", s->tags = {}, s->features[0].description = "y";
              }).empty());
  EXPECT_TRUE(breaks([](Schema* s) { s->features.push_back({.name = "new"}); }).empty());
  EXPECT_TRUE(breaks([](Schema* s) { s->features[1].metadata["max"] = "10"; }).empty());
  EXPECT_TRUE(breaks([](Schema* s) { s->features[0].metadata.erase("min"); }).empty());
  for (const auto& [change, expected] : std::vector<std::pair<std::function<void(Schema*)>, std::string>>{
           {[](Schema* s) { s->features.pop_back(); }, "feature \"rating\" is gone"},
           {[](Schema* s) { s->features[0].data_type = DataType::kInt; },
            "its data type changes from \"BIGINT\" to"},
           {[](Schema* s) { s->features[0].feature_type = FeatureType::kCategorical; },
            "its feature type changes"},
           {[](Schema* s) { s->features[0].nullable = false; }, "may no longer be null"},
           {[](Schema* s) { s->features[1].metadata["max"] = "4"; },
            "its range narrows from 0 to 5 to 0 to 4"},
           {[](Schema* s) { s->features[1].metadata["unit"] = "points"; }, "its unit changes from \"stars\""},
           {[](Schema* s) { s->features.push_back({.name = "new", .nullable = false}); }, "must not be null"},
           {[](Schema* s) { s->timestamp_key = "ts"; }, "the timestamp key changes"},
           {[](Schema* s) { s->entity_keys[0].name = "driver"; },
            "the entity keys change from driver_id BIGINT"}}) {
    const auto breaking = breaks(change);
    ASSERT_EQ(breaking.size(), 1u) << expected;
    EXPECT_NE(breaking[0].find(expected), std::string::npos) << breaking[0];
  }
}

TEST(ValueRange, DecimalsAreComparedDigitByDigit) {
  const char* ascending[] = {
      "-100", "-99.99", "-1.50", "-0.5", "0", "0.0001", "0.5", "007", "10", "10.01", "99999999999999999999"};
  for (size_t i = 0; i < std::size(ascending); ++i) {
    for (size_t j = 0; j < std::size(ascending); ++j) {
      const int order = CompareDecimalText(ascending[i], ascending[j]);
      EXPECT_EQ(order < 0, i < j) << ascending[i] << " " << ascending[j];
      EXPECT_EQ(order == 0, i == j) << ascending[i] << " " << ascending[j];
    }
  }
  EXPECT_EQ(CompareDecimalText("-0", "0.00"), 0);
  for (const char* bad : {"", "-", ".5", "5.", "1e3", " 1", "0x1", "1.2.3", "NaN"})
    EXPECT_FALSE(IsDecimalText(bad));
}

}  // namespace
}  // namespace salver
