// Arrow types to DuckDB and back.
#include <arrow/compute/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "sql/sql_test.h"

namespace salver {
namespace {

struct TypeCase {
  const char* name;
  std::shared_ptr<arrow::DataType> type;
  const char* json;  // of four values, one of them null
  std::shared_ptr<arrow::DataType> back = type;
};

std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type,
                                       const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

class Types : public testing::TestWithParam<TypeCase> {};

TEST_P(Types, ComeBackAsTheyWent) {
  const TypeCase& param = GetParam();
  const auto whole = FromJson(param.type, param.json);
  const auto database = OpenTestDatabase();
  // Whole, and from the second row on: offsets into buffers are where readers of Arrow go wrong.
  for (const auto& array : {whole, whole->Slice(1), whole->Slice(2, 1)}) {
    const auto table = arrow::Table::Make(arrow::schema({arrow::field("v", param.type)}), {array});
    const auto answer = database->Query(
        {.sql = "SELECT v FROM t", .asked_by = "test", .inputs = {{.name = "t", .table = table}}});
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    ASSERT_TRUE((*answer)->ValidateFull().ok());
    const auto expected = arrow::compute::Cast(*array, param.back).ValueOrDie();
    const arrow::ChunkedArray wanted(expected);
    EXPECT_TRUE((*answer)->column(0)->Equals(wanted))
        << "found " << (*answer)->column(0)->ToString() << "\nwanted " << wanted.ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Arrow, Types,
    testing::Values(
        TypeCase{"boolean", arrow::boolean(), "[true, null, false, true]"},
        TypeCase{"int8", arrow::int8(), "[1, null, -128, 127]"},
        TypeCase{"int16", arrow::int16(), "[1, null, -32768, 3]"},
        TypeCase{"int32", arrow::int32(), "[1, null, -2147483648, 3]"},
        TypeCase{"int64", arrow::int64(), "[1, null, -9223372036854775808, 3]"},
        TypeCase{"uint8", arrow::uint8(), "[1, null, 255, 3]"},
        TypeCase{"uint64", arrow::uint64(), "[1, null, 18446744073709551615, 3]"},
        TypeCase{"float", arrow::float32(), "[1.5, null, -2.25, 3]"},
        TypeCase{"double", arrow::float64(), "[1.5, null, -2.25, 3]"},
        TypeCase{"string", arrow::utf8(), R"(["a", null, "a text that is longer than twelve", ""])"},
        TypeCase{"large_string", arrow::large_utf8(),
                 R"(["a", null, "a text that is longer than twelve", ""])", arrow::utf8()},
        TypeCase{"binary", arrow::binary(), R"(["a", null, "bytes that are longer than twelve", ""])"},
        TypeCase{"date", arrow::date32(), "[1, null, -5, 20000]"},
        TypeCase{"time", arrow::time64(arrow::TimeUnit::MICRO), "[1, null, 5, 86399999999]"},
        TypeCase{"naive_time", arrow::timestamp(arrow::TimeUnit::MICRO), "[1, null, -5, 1700000000000001]"},
        TypeCase{"nanoseconds", arrow::timestamp(arrow::TimeUnit::NANO),
                 "[1, null, -5, 1700000000000000001]"},
        TypeCase{"utc_time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                 "[1, null, -5, 1700000000000001]"},
        TypeCase{"decimal", arrow::decimal128(10, 2), R"(["1.25", null, "-3.50", "0.00"])", arrow::float64()},
        TypeCase{"whole_decimal", arrow::decimal128(38, 0), R"(["1", null, "-3", "9223372036854775807"])",
                 arrow::int64()},
        TypeCase{"dictionary", arrow::dictionary(arrow::int32(), arrow::utf8()), R"(["a", null, "b", "a"])",
                 arrow::utf8()},
        TypeCase{"list", arrow::list(arrow::int64()), "[[1, null], null, [], [3]]"},
        TypeCase{"list_of_strings", arrow::list(arrow::utf8()),
                 R"([["x", null], null, [], ["a text that is longer than twelve"]])"},
        TypeCase{"struct",
                 arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())}),
                 R"([{"a": 1, "b": "x"}, null, {"a": null, "b": "y"}, {"a": 4, "b": null}])"},
        TypeCase{"map", arrow::map(arrow::utf8(), arrow::int64()),
                 R"([[["a", 1]], null, [], [["b", null]]])"}),
    [](const auto& info) { return info.param.name; });

TEST(SqlTypes, LongTablesWithChunksOfAnyLength) {
  arrow::ArrayVector chunks;
  for (const int64_t rows : {0, 1, 2047, 2048, 2049, 10'000})
    chunks.push_back(Counting(rows)->column(0)->chunk(0));
  const auto column = std::make_shared<arrow::ChunkedArray>(chunks);
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {column});
  const auto answer = OpenTestDatabase()->Query(
      {.sql = "SELECT n FROM t", .asked_by = "test", .inputs = {{.name = "t", .table = table}}});
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_TRUE((*answer)->column(0)->Equals(*column));
}

TEST(SqlTypes, OfAnswers) {
  const auto schema = OpenTestDatabase()->Describe(
      {.sql = "SELECT sum(x) AS sum, 1.5 AS number, avg(x) AS mean, count(*) AS count, 1::HUGEINT AS huge, "
              "'a'::ENUM('a', 'b') AS kind, [1.5] AS numbers, now() AS now, uuid() AS id FROM range(3) a(x)",
       .asked_by = "test"});
  ASSERT_TRUE(schema.ok()) << schema.status().ToString();
  EXPECT_EQ((*schema)->ToString(),
            "sum: int64\nnumber: double\nmean: double\ncount: int64\nhuge: int64\nkind: string\n"
            "numbers: list<l: double>\nnow: timestamp[us, tz=UTC]\nid: string");
}

TEST(SqlTypes, ANumberPastSixtyFourBitsIsAnErrorAndNotAnotherNumber) {
  const Status status =
      OpenTestDatabase()
          ->Query({.sql = "SELECT 9223372036854775807::HUGEINT + 1 AS x", .asked_by = "source \"s\""})
          .status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("column \"x\""), std::string::npos) << status.ToString();
}

}  // namespace
}  // namespace salver
