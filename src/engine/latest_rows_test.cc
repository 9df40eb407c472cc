#include "engine/latest_rows.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <map>
#include <random>

#include "kernel/no_time.h"
#include "salver/offline_store.h"
#include "salver/online_store.h"
#include "source/file_source.h"
#include "test/test_folder.h"

namespace salver {
namespace {

struct Row {
  std::optional<int64_t> number;
  int32_t small;
  std::optional<int64_t> event_us, created_us;
  int64_t feature;
};
using Key = std::pair<int64_t, int32_t>;
using Newest = std::map<Key, std::tuple<int64_t, int64_t, int64_t>>;  // event, created, feature

std::vector<Row> RandomRows(std::mt19937_64* random, size_t count) {
  const auto below = [&](int64_t end) {
    return static_cast<int64_t>((*random)() % static_cast<uint64_t>(end));
  };
  const auto maybe = [&](int64_t value) { return below(20) > 0 ? std::optional(value) : std::nullopt; };
  std::vector<Row> rows;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back({maybe(below(300) - 100), static_cast<int32_t>(below(3)), maybe(below(100)),
                    maybe(below(5)), static_cast<int64_t>(i)});
  }
  return rows;
}

void Write(const std::vector<Row>& rows, const std::string& path, int64_t group_rows) {
  const auto time = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::Int64Builder number, feature;
  arrow::Int32Builder small;
  arrow::TimestampBuilder event(time, arrow::default_memory_pool()),
      created(time, arrow::default_memory_pool());
  for (const Row& row : rows) {
    ASSERT_TRUE(number.AppendOrNull(row.number).ok() && small.Append(row.small).ok() &&
                event.AppendOrNull(row.event_us).ok() && created.AppendOrNull(row.created_us).ok() &&
                feature.Append(row.feature).ok());
  }
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("number", arrow::int64()), arrow::field("small", arrow::int32()),
                     arrow::field("event", time), arrow::field("created", time),
                     arrow::field("feature", arrow::int64())}),
      {*number.Finish(), *small.Finish(), *event.Finish(), *created.Finish(), *feature.Finish()});
  const auto out = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, group_rows).ok());
  ASSERT_TRUE(out->Close().ok());
}

Newest BruteForce(const std::vector<Row>& rows, int64_t start_us, int64_t end_us, bool with_created) {
  Newest newest;
  for (const Row& row : rows) {
    if (!row.number || !row.event_us || *row.event_us < start_us || *row.event_us > end_us) continue;
    const std::tuple value(*row.event_us, with_created ? row.created_us.value_or(kNoCreatedTime) : 0,
                           row.feature);
    const auto [at, is_new] = newest.try_emplace({*row.number, row.small}, value);
    if (!is_new) at->second = std::max(at->second, value);  // the feature is the position
  }
  return newest;
}

Newest Read(const std::string& folder, const LatestRowsNode& node, const ExecutionContext& context) {
  auto reader = OpenFileSource(node.scan.source, folder, {});
  EXPECT_TRUE(reader.ok()) << reader.status().ToString();
  const auto rows = ReadLatestRows(std::move(*reader), node, context);
  EXPECT_TRUE(rows.ok()) << rows.status().ToString();
  Newest newest;
  for (size_t i = 0; i < (*rows)->batch_count(); ++i) {
    const auto batch = (*rows)->Read(i);
    EXPECT_TRUE(batch.ok()) << batch.status().ToString();
    const auto& number = static_cast<const arrow::Int64Array&>(*batch->join_keys[0]);
    const auto& small = static_cast<const arrow::Int32Array&>(*batch->join_keys[1]);
    const auto& feature = static_cast<const arrow::Int64Array&>(*batch->features->column(0));
    EXPECT_EQ(number.null_count() + small.null_count(), 0);
    for (size_t row = 0; row < batch->event_us.size(); ++row) {
      const auto at = static_cast<int64_t>(row);
      const int64_t created = batch->created_us.empty() ? 0 : batch->created_us[row];
      const bool is_new = newest
                              .try_emplace({number.Value(at), small.Value(at)},
                                           std::tuple(batch->event_us[row], created, feature.Value(at)))
                              .second;
      EXPECT_TRUE(is_new) << "key " << number.Value(at) << " came twice";
    }
  }
  return newest;
}

// Keys and times are kept from the scan where memory allows, and are read again where not: with one row group
// or several, fewer groups than threads or more, groups that are passed over, nulls, and keys of 4 and 8
// bytes.
TEST(LatestRows, AreTheSameWhateverIsKeptFromTheScan) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const TestFolder folder;
  for (int round = 0; round < 12; ++round) {
    auto rows = RandomRows(&random, 1 + random() % 6000);
    const bool sorted = round % 3 == 0;  // groups out of the range are passed over
    if (sorted)
      std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.event_us < b.event_us; });
    for (size_t i = 0; i < rows.size(); ++i) rows[i].feature = static_cast<int64_t>(i);
    Write(rows, folder.path() + "/rows.parquet", static_cast<int64_t>(round % 2 == 0 ? 500 : 10'000));
    const bool with_created = random() % 2 == 0;
    LatestRowsNode node{.scan = {.source = {.name = "s",
                                            .kind = DataSourceKind::kFile,
                                            .path = "rows.parquet",
                                            .file_format = "parquet",
                                            .timestamp_field = "event"},
                                 .event_column = "event",
                                 .created_column = with_created ? "created" : ""},
                        .join_keys = {{.name = "number", .type = ValueType::kInt64},
                                      {.name = "small", .type = ValueType::kInt32}},
                        .features = {{.name = "feature", .type = ValueType::kInt64}},
                        .start_us = static_cast<int64_t>(random() % 60),
                        .end_us = 80};
    const Newest expected = BruteForce(rows, node.start_us, node.end_us, with_created);
    for (const int threads : {1, 3}) {
      for (const int64_t memory : {0, 1, 16 * 1024 * 1024}) {
        const ExecutionContext context{
            .threads = threads, .memory_limit_bytes = memory, .spill_folder = folder.path() + "/spill"};
        ASSERT_TRUE(Read(folder.path(), node, context) == expected)
            << "round " << round << ", " << threads << " threads, memory " << memory;
      }
    }
  }
}

}  // namespace
}  // namespace salver
