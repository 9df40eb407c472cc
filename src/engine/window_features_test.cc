// The rows of windows, read in one go and a share of the keys at a time.
#include "engine/window_features.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <random>

#include "kernel/no_time.h"
#include "source/table_reader.h"

namespace salver {
namespace {

std::shared_ptr<arrow::Array> Integers(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Times(const std::vector<int64_t>& values) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return Integers(values)->View(type).ValueOrDie();
}

AggregateNode::Column Column(const std::string& function, int64_t window_us) {
  AggregateNode::Column column{function, window_us, {"value", {}, 0}};
  column.output.field.name = function;
  return column;
}

// A source in memory and labels over it.
struct Fixture {
  Fixture() : dictionary(std::vector<Field>{key}) {
    std::mt19937_64 random(11);
    std::vector<int64_t> keys, times, values;
    for (int i = 0; i < 20'000; ++i) {
      keys.push_back(static_cast<int64_t>(random() % 300));
      times.push_back(static_cast<int64_t>(random() % 10'000));
      values.push_back(static_cast<int64_t>(random() % 1000));
    }
    const auto table = arrow::Table::Make(
        arrow::schema({arrow::field("key", arrow::int64()), arrow::field("at", Times({})->type()),
                       arrow::field("value", arrow::int64())}),
        {Integers(keys), Times(times), Integers(values)});
    reader = NewTableReader(table, "at");
    scan.event_column = "at";
    for (int i = 0; i < 2000; ++i) {
      label_keys.push_back(static_cast<int64_t>(random() % 320));
      label_times.push_back(i % 50 == 0 ? kNoTime : static_cast<int64_t>(random() % 11'000));
    }
    const std::shared_ptr<arrow::Array> column = Integers(label_keys);
    ids = dictionary.Add(std::span(&column, 1), column->length());
    for (size_t i = 0; i < ids.size(); i += 40) ids[i] = -1;
  }

  Result<std::vector<std::shared_ptr<arrow::Array>>> Ask(std::span<const AggregateNode::Column> columns,
                                                         int64_t memory_limit, int64_t* rows_kept) {
    const WindowSource source{reader.get(), &scan, {key}, 0, 11'000};
    ExecutionContext context;
    context.threads = 2;
    context.memory_limit_bytes = memory_limit;
    WindowWork work;
    auto answers = AggregateFeatures(source, dictionary, {ids, label_times}, false, columns, context, &work);
    *rows_kept = work.rows_kept;
    return answers;
  }

  const Field key{.name = "key", .type = ValueType::kInt64};
  KeyDictionary dictionary;
  std::unique_ptr<SourceReader> reader;
  ScanNode scan;
  std::vector<int64_t> label_keys, label_times;
  std::vector<int32_t> ids;
};

TEST(WindowFeatures, AnswersDoNotDependOnTheMemoryLimit) {
  Fixture fixture;
  const std::vector<AggregateNode::Column> columns = {Column("sum", 500), Column("count", 0),
                                                      Column("std", 3000), Column("last", 100),
                                                      Column("count_distinct", 5000)};
  int64_t rows = 0, rows_in_shares = 0;
  const auto expected = fixture.Ask(columns, 0, &rows);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  for (const int64_t limit : {int64_t{1} << 30, int64_t{500'000}, int64_t{100'000}}) {
    const auto found = fixture.Ask(columns, limit, &rows_in_shares);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    EXPECT_EQ(rows_in_shares, rows);
    for (size_t i = 0; i < columns.size(); ++i)
      EXPECT_TRUE((*found)[i]->Equals(*(*expected)[i])) << columns[i].function << " with " << limit;
  }
}

TEST(WindowFeatures, AFaultNamesTheEntityRowInAnyShare) {
  Fixture fixture;
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("key", arrow::int64()), arrow::field("at", Times({})->type()),
                     arrow::field("value", arrow::int64())}),
      {Integers({5, 5}), Times({1, 2}), Integers({INT64_MAX, 1})});
  fixture.reader = NewTableReader(table, "at");
  fixture.ids.clear();
  fixture.dictionary = KeyDictionary(std::vector<Field>{fixture.key});
  const std::shared_ptr<arrow::Array> keys = Integers({1, 2, 3, 5});
  fixture.ids = fixture.dictionary.Add(std::span(&keys, 1), 4);
  fixture.label_times = {10, 10, 10, 10};
  const std::vector<AggregateNode::Column> columns = {Column("sum", 0)};
  for (const int64_t limit : {0, 40}) {
    int64_t rows = 0;
    const auto answers = fixture.Ask(columns, limit, &rows);
    ASSERT_FALSE(answers.ok());
    EXPECT_NE(answers.status().message().find("entity row 3 is beyond INT64"), std::string::npos)
        << answers.status().message();
  }
}

}  // namespace
}  // namespace salver
