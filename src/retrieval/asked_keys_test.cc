// A store is told which keys the entity rows ask for, once each, where one set of keys is all that is asked;
// of a file the row groups are left out that have none of them.
#include <arrow/array.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "engine/local_engine.h"
#include "plan/optimizer.h"
#include "plan/plan_reader.h"
#include "retrieval/test_repository.h"
#include "source/table_reader.h"

namespace salver {
namespace {

// Rows in memory; remembers what it was asked.
class RecordingStore final : public OfflineStore {
 public:
  explicit RecordingStore(std::shared_ptr<arrow::Table> rows) : rows_(std::move(rows)) {}
  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource&) override { return rows_->schema(); }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    keys_ = needs.keys;
    return NewTableReader(rows_, source.timestamp_field);
  }
  Status Append(const DataSource&, const arrow::Table&) override { return Status::Unimplemented("rows"); }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string&) override {
    return Status::Unimplemented("SQL");
  }
  const std::shared_ptr<arrow::Table>& keys() const { return keys_; }

 private:
  const std::shared_ptr<arrow::Table> rows_;
  std::shared_ptr<arrow::Table> keys_;
};

std::shared_ptr<arrow::Table> Columns(
    const std::vector<std::pair<std::string, std::vector<std::optional<int64_t>>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, values] : columns) {
    arrays.push_back(ColumnOf(values, name == "t" ? UtcMicros() : arrow::int64()));
    fields.push_back(arrow::field(name, arrays.back()->type()));
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

// Runs the plan on labels (driver, car, t) and says which keys the store was asked for.
std::string AskedFor(const std::vector<std::string>& plan_lines, bool optimize) {
  ExecutionPlan plan = ReadPlan(plan_lines);
  for (DAGNode& node : plan.nodes) {
    if (ReadNode* read = node.As<ReadNode>()) {
      read->source.store = "memory";
      read->source.timestamp_field = read->event_column;
    }
  }
  if (optimize) Optimize(&plan);
  RecordingStore store(Columns({{"id", {1, 2, 3}}, {"t", {10, 10, 10}}, {"x", {7, 8, 9}}}));
  const auto labels = Columns(
      {{"driver", {3, 1, 3, std::nullopt, 5}}, {"car", {2, 2, 2, 2, 2}}, {"t", {20, 20, 20, 20, 20}}});
  const auto answer = NewLocalEngine()->Run(plan, *labels, {.offline = &store}, nullptr);
  EXPECT_TRUE(answer.ok()) << answer.status().ToString();
  if (answer.ok()) {
    const auto& x = static_cast<const arrow::Int64Array&>(*(*answer)->GetColumnByName("x")->chunk(0));
    EXPECT_EQ(x.Value(0), 9);
    EXPECT_TRUE(x.IsNull(3) && x.IsNull(4));
  }
  if (store.keys() == nullptr) return "all";
  std::string text = store.keys()->schema()->field(0)->name() + ":";
  const auto& ids = static_cast<const arrow::Int64Array&>(*store.keys()->column(0)->chunk(0));
  for (int64_t i = 0; i < ids.length(); ++i) text += " " + std::to_string(ids.Value(i));
  return text;
}

const std::vector<std::string> kOneJoin = {"1 Read rows time=t", "2 EncodeKeys driver:INT64",
                                           "3 PointInTimeJoin(2, 1) v on=id ttl=none -> x=x:INT64@0",
                                           "4 Gather(3) 1 feature by t"};

TEST(AskedKeys, AStoreIsToldEachKeyOnce) {
  EXPECT_EQ(AskedFor(kOneJoin, true), "id: 3 1 5");
}

TEST(AskedKeys, APlanAsItWasBuiltAsksForAll) {
  EXPECT_EQ(AskedFor(kOneJoin, false), "all");
}

TEST(AskedKeys, TwoSetsOfKeysAskForAll) {
  EXPECT_EQ(
      AskedFor({"1 Read rows time=t", "2 EncodeKeys driver:INT64",
                "3 PointInTimeJoin(2, 1) v on=id ttl=none -> x=x:INT64@0", "4 EncodeKeys car:INT64",
                "5 PointInTimeJoin(4, 1) w on=id ttl=none -> x=y:INT64@1", "6 Gather(3, 5) 2 features by t"},
               true),
      "all");
}

// Reads of `rows` (id, t, x) in row groups of 10, for labels of these keys: the answer's x, and of how many
// row groups.
std::string ReadFor(const std::shared_ptr<arrow::Table>& rows,
                    const std::vector<std::optional<int64_t>>& keys, std::vector<std::string> plan_lines) {
  const TestRepository repository;
  repository.Write(*rows, "rows.parquet", 10);
  ExecutionPlan plan = ReadPlan(plan_lines);
  for (DAGNode& node : plan.nodes) {
    if (ReadNode* read = node.As<ReadNode>()) {
      read->source.path = repository.folder() + "/rows.parquet";
      read->source.timestamp_field = read->event_column;
    }
  }
  Optimize(&plan);
  const std::vector<std::optional<int64_t>> times(keys.size(), 2000), cars(keys.size(), 3);
  const auto labels = Columns({{"driver", keys}, {"car", cars}, {"t", times}});
  PlanReport report;
  const auto answer = NewLocalEngine()->Run(plan, *labels, {.offline = repository.Offline().get()}, &report);
  if (!answer.ok()) return answer.status().ToString();
  std::string text;
  const auto& x = static_cast<const arrow::Int64Array&>(*(*answer)->GetColumnByName("x")->chunk(0));
  for (int64_t i = 0; i < x.length(); ++i) text += (x.IsNull(i) ? "-" : std::to_string(x.Value(i))) + " ";
  const auto read = std::find_if(plan.nodes.begin(), plan.nodes.end(),
                                 [](const DAGNode& node) { return node.As<ReadNode>() != nullptr; });
  const NodeReport& of_read = report.nodes[static_cast<size_t>(read - plan.nodes.begin())];
  return text + "of " + std::to_string(of_read.row_groups_needed);
}

// 1,000 rows, of 500 keys.
std::shared_ptr<arrow::Table> RowsOfKeys(bool in_order) {
  std::vector<std::optional<int64_t>> ids, times, values;
  for (int64_t i = 0; i < 1000; ++i) {
    ids.push_back(in_order ? i / 2 : i % 500);
    times.push_back(i);
    values.push_back(i);
  }
  return Columns({{"id", ids}, {"t", times}, {"x", values}});
}

TEST(AskedKeys, RowGroupsThatHaveNoneOfThemAreNotRead) {
  EXPECT_EQ(ReadFor(RowsOfKeys(true), {3, std::nullopt, 250, 499}, kOneJoin), "7 - 501 999 of 3");
  EXPECT_EQ(ReadFor(RowsOfKeys(true), {-1, 500, 1 << 30}, kOneJoin), "- - - of 0");
  EXPECT_EQ(ReadFor(RowsOfKeys(true), {std::nullopt}, kOneJoin), "- of 0");
  EXPECT_EQ(ReadFor(RowsOfKeys(false), {3, 250}, kOneJoin), "503 750 of 4") << "twice each";
}

TEST(AskedKeys, RowGroupsThatAnotherJoinAsksForAreRead) {
  const std::vector<std::string> two = {"1 Read rows time=t",
                                        "2 EncodeKeys driver:INT64",
                                        "3 PointInTimeJoin(2, 1) v on=id ttl=none -> x=x:INT64@0",
                                        "4 EncodeKeys car:INT64",
                                        "5 PointInTimeJoin(4, 1) w on=id ttl=none -> x=y:INT64@1",
                                        "6 Gather(3, 5) 2 features by t"};
  EXPECT_EQ(ReadFor(RowsOfKeys(true), {250, 251}, two), "501 503 of 2") << "car 3 is in the first";
}

}  // namespace
}  // namespace salver
