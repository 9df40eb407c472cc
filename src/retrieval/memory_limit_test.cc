// Retrieval within a memory limit: fewer row groups are read at once, and nothing else changes.
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <random>

#include "retrieval/test_repository.h"

namespace salver {
namespace {

constexpr int64_t kRows = 40'000, kKeys = 500, kLabels = 3000;

std::shared_ptr<arrow::Table> RandomTable(int64_t rows, uint64_t seed, bool features) {
  std::mt19937_64 random(seed);
  std::vector<std::optional<int64_t>> keys, times, values;
  for (int64_t i = 0; i < rows; ++i) {
    keys.push_back(static_cast<int64_t>(random() % kKeys));
    times.push_back(static_cast<int64_t>(random() % 1000));
    values.push_back(i);
  }
  arrow::FieldVector fields = {arrow::field("key", arrow::int64()),
                               arrow::field("event_timestamp", UtcMicros())};
  arrow::ArrayVector columns = {ColumnOf(keys, arrow::int64()), ColumnOf(times, UtcMicros())};
  if (features) {
    fields.push_back(arrow::field("created", UtcMicros()));
    columns.push_back(ColumnOf(times, UtcMicros()));
    fields.push_back(arrow::field("value", arrow::int64()));
    columns.push_back(ColumnOf(values, arrow::int64()));
  }
  return arrow::Table::Make(arrow::schema(fields), columns);
}

class MemoryLimit : public testing::Test {
 protected:
  MemoryLimit() {
    repository_.Write(*RandomTable(kRows, 1, true), "rows.parquet", 3000);
    for (const char* name : {"short", "long"}) {
      TestView view{.name = name,
                    .path = "rows.parquet",
                    .join_keys = {{.name = "key", .type = ValueType::kInt64}},
                    .features = {{.name = "value", .type = ValueType::kInt64}},
                    .ttl_us = name == std::string("short") ? 20 : 0};
      if (view.ttl_us == 0) view.created_column = "created";
      repository_.Add(view);
    }
    request_.entities = RandomTable(kLabels, 2, false);
    request_.features = {"short:value", "long:value"};
    request_.full_feature_names = true;
  }

  TestRepository repository_;
  HistoricalRequest request_;
};

TEST_F(MemoryLimit, ChangesNothingInTheAnswer) {
  const auto expected = repository_.Retrieve(request_);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  for (const int64_t limit : {1, 200'000, 1'000'000, 100'000'000}) {
    repository_.LimitMemory(limit, "");
    for (const int threads : {1, 3}) {
      const auto answer = repository_.Retrieve(request_, threads);
      ASSERT_TRUE(answer.ok()) << answer.status().ToString();
      EXPECT_TRUE((*answer)->Equals(**expected)) << "limit " << limit << ", threads " << threads;
    }
  }
}

}  // namespace
}  // namespace salver
