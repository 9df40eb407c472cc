// Many nullable columns of every width, in answers of every length: each null lies where it belongs, at the
// edges of the bytes and words of a bitmap too.
#include <arrow/array.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "retrieval/test_repository.h"

namespace salver {
namespace {

constexpr int64_t kRows = 300, kColumns = 72;

// Column 0 has no nulls, column 1 nothing else, the others ever fewer.
bool IsNull(int64_t row, int64_t column) {
  return column > 0 && (row * 7 + column) % column == 0;
}

ValueType TypeOf(int64_t column) {
  constexpr ValueType kTypes[] = {ValueType::kInt64,        ValueType::kInt32, ValueType::kDouble,
                                  ValueType::kFloat,        ValueType::kBool,  ValueType::kString,
                                  ValueType::kUnixTimestamp};
  return kTypes[column % 7];
}

std::string NameOf(int64_t column) {
  return "c" + std::to_string(column);
}

// Of every column that holds it: row `value` of the source, or no row where it is none.
std::vector<std::optional<int64_t>> Values(int64_t column, const std::vector<std::optional<int64_t>>& rows) {
  std::vector<std::optional<int64_t>> values;
  for (const auto& row : rows)
    values.push_back(row && !IsNull(*row, column) ? std::optional(*row % 2 + column) : std::nullopt);
  return values;
}

TEST(WideNulls, LieWhereTheyBelong) {
  TestView view{
      .name = "wide", .path = "wide.parquet", .join_keys = {{.name = "key", .type = ValueType::kInt64}}};
  std::vector<std::optional<int64_t>> rows, zeros;
  for (int64_t row = 0; row < kRows; ++row) {
    rows.push_back(row);
    zeros.push_back(0);
  }
  arrow::FieldVector fields = {arrow::field("key", arrow::int64()),
                               arrow::field("event_timestamp", UtcMicros())};
  arrow::ArrayVector arrays = {ColumnOf(rows, arrow::int64()), ColumnOf(zeros, UtcMicros())};
  HistoricalRequest request;
  for (int64_t column = 0; column < kColumns; ++column) {
    view.features.push_back({.name = NameOf(column), .type = TypeOf(column)});
    arrays.push_back(ColumnOf(Values(column, rows), ArrowType(TypeOf(column), "")));
    fields.push_back(arrow::field(NameOf(column), arrays.back()->type()));
    request.features.push_back("wide:" + NameOf(column));
  }
  TestRepository repository;
  repository.Write(*arrow::Table::Make(arrow::schema(fields), arrays), view.path, 77);
  repository.Add(view);
  for (const int64_t labels : {1, 7, 8, 9, 63, 64, 65, 129, 1000}) {
    SCOPED_TRACE(std::to_string(labels) + " labels");
    std::vector<std::optional<int64_t>> keys, times, found;
    for (int64_t label = 0; label < labels; ++label) {
      keys.push_back(label * 13 % (kRows + 20));  // the last twenty have no row
      times.push_back(1);
      found.push_back(*keys.back() < kRows ? keys.back() : std::nullopt);
    }
    request.entities = arrow::Table::Make(arrow::schema({fields[0], fields[1]}),
                                          {ColumnOf(keys, arrow::int64()), ColumnOf(times, UtcMicros())});
    for (const int threads : {1, 3}) {
      const auto answer = repository.Retrieve(request, threads);
      ASSERT_TRUE(answer.ok()) << answer.status().ToString();
      ASSERT_TRUE((*answer)->ValidateFull().ok());
      for (int64_t column = 0; column < kColumns; ++column) {
        const auto expected = ColumnOf(Values(column, found), ArrowType(TypeOf(column), ""));
        const auto got = (*answer)->GetColumnByName(NameOf(column));
        EXPECT_TRUE(got->Equals(arrow::ChunkedArray(expected))) << NameOf(column) << ": " << got->ToString();
        EXPECT_EQ(got->null_count(), expected->null_count()) << NameOf(column);
      }
    }
  }
}

}  // namespace
}  // namespace salver
