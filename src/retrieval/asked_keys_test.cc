// A store is told which keys the entity rows ask for, once each, where one set of keys is all that is asked.
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

}  // namespace
}  // namespace salver
