#include "brute_force_engine.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include <map>
#include <numeric>

#include "salver/columns.h"
#include "salver/online_store.h"
#include "salver/source_reader.h"
#include "salver/write_rule.h"

namespace {

using namespace salver;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using Times = std::vector<std::optional<int64_t>>;     // UTC microseconds
using Keys = std::vector<std::optional<std::string>>;  // one a row; none where a key is null

// What a node gives to those after it.
struct Rows {
  const ReadNode* read = nullptr;
  std::shared_ptr<arrow::Table> table;
  Times event, created;  // created is empty when the source has none
};
struct EncodedKeys {
  const EncodeKeysNode* node = nullptr;
  Keys keys;  // of the entity rows
};

template <typename T>
Result<T> Checked(arrow::Result<T> result, const std::string& what) {
  if (result.ok()) return std::move(result).ValueUnsafe();
  return Status::Internal(what + ": " + result.status().message() + ".");
}

Status NotRun(const DAGNode& node) {
  return Status::Unimplemented(
      std::string("the brute force engine does not run ") + KindName(node) + " nodes. Use the local engine.",
      Reason::kNotExecutedYet);
}

std::string Column(const ReadNode& read, const std::string& name) {
  return "data source \"" + read.source.name + "\", column \"" + name + "\"";
}

// A key of several columns is one text; lengths keep the columns apart.
void AppendKey(const arrow::Array& column, Keys* keys) {
  for (int64_t row = 0; row < column.length(); ++row) {
    auto& key = (*keys)[static_cast<size_t>(row)];
    if (column.IsNull(row)) key.reset();
    if (!key) continue;
    const std::string text = column.GetScalar(row).ValueOrDie()->ToString();
    *key += std::to_string(text.size()) + ":" + text;
  }
}

Result<Times> TimesOf(const arrow::ChunkedArray& column, const std::string& what) {
  SALVER_ASSIGN(const ArrayPtr array, CastTimeColumn(column, what));
  const auto& values = static_cast<const arrow::TimestampArray&>(*array);
  Times times;
  for (int64_t row = 0; row < values.length(); ++row)
    times.push_back(values.IsNull(row) ? std::nullopt : std::optional(values.Value(row)));
  return times;
}

// A Read: all of its columns, all of its rows. The rows that it may leave out can be read all the same.
Result<Rows> ReadRows(const ReadNode& read, const ExecutionContext& context) {
  SALVER_ASSIGN(const auto reader, context.offline->Open(read.source, {.columns = read.columns,
                                                                       .cancelled = context.cancelled}));
  std::vector<int> groups(reader->row_groups().size());
  std::iota(groups.begin(), groups.end(), 0);
  Rows rows{.read = &read};
  const auto columns = read.columns.empty() ? reader->schema()->field_names() : read.columns;
  SALVER_ASSIGN(rows.table, reader->Read(groups, columns));
  SALVER_ASSIGN(rows.event,
                TimesOf(*rows.table->GetColumnByName(read.event_column), Column(read, read.event_column)));
  if (read.created_column.empty()) return rows;
  SALVER_ASSIGN(rows.created, TimesOf(*rows.table->GetColumnByName(read.created_column),
                                      Column(read, read.created_column)));
  return rows;
}

// The keys of a source's rows, read as the types that the view's join keys have.
Result<Keys> KeysOf(const Rows& rows, const std::vector<std::string>& columns,
                    const std::vector<Field>& fields) {
  Keys keys(static_cast<size_t>(rows.table->num_rows()), "");
  for (size_t i = 0; i < columns.size(); ++i) {
    SALVER_ASSIGN(const ArrayPtr column, CastColumn(*rows.table->GetColumnByName(columns[i]), fields[i],
                                                    Column(*rows.read, columns[i])));
    AppendKey(*column, &keys);
  }
  return keys;
}

int64_t CreatedOf(const Rows& rows, size_t row) {
  return rows.created.empty() ? kNoCreatedTime : rows.created[row].value_or(kNoCreatedTime);
}

// True when `row` takes the place of `best` (-1: nothing yet); rows come in the order of the source.
bool Replaces(const Rows& rows, size_t row, int64_t best) {
  if (best < 0) return true;
  const size_t have = static_cast<size_t>(best);
  return IsNewer(*rows.event[row], CreatedOf(rows, row), *rows.event[have], CreatedOf(rows, have));
}

// The heart of it: for each entity row the row that wins, or -1.
std::vector<int64_t> Winners(const PointInTimeJoinNode& join, const EncodedKeys& entities, const Times& times,
                             const Keys& keys, const Rows& rows) {
  std::vector<int64_t> winners(times.size(), -1);
  for (size_t label = 0; label < times.size(); ++label) {
    if (!times[label] || !entities.keys[label]) continue;
    for (size_t row = 0; row < keys.size(); ++row) {
      if (!rows.event[row] || keys[row] != entities.keys[label]) continue;
      if (!IsVisible(*rows.event[row], *times[label], join.ttl_us)) continue;
      if (join.created_cut && CreatedOf(rows, row) > *times[label]) continue;
      if (Replaces(rows, row, winners[label])) winners[label] = static_cast<int64_t>(row);
    }
  }
  return winners;
}

// A column's values at `positions`, null at -1, as `field` declares them.
Result<ArrayPtr> Gather(const Rows& rows, const std::string& column, const Field& field,
                        const std::vector<int64_t>& positions) {
  arrow::Int64Builder builder;
  for (const int64_t position : positions) {
    const auto appended = position < 0 ? builder.AppendNull() : builder.Append(position);
    if (!appended.ok()) return Status::ResourceExhausted(appended.message());
  }
  const std::string what = Column(*rows.read, column);
  SALVER_ASSIGN(const auto indices, Checked(builder.Finish(), what));
  SALVER_ASSIGN(
      const auto taken,
      Checked(arrow::compute::Take(arrow::Datum(rows.table->GetColumnByName(column)), arrow::Datum(indices)),
              what));
  return CastColumn(*taken.chunked_array(), field, what);
}

// One run of a plan: node by node, in the plan's order.
class Execution {
 public:
  Execution(const ExecutionPlan& plan, const arrow::Table& entities, const ExecutionContext& context)
      : plan_(plan), entities_(entities), context_(context) {}

  Result<std::shared_ptr<arrow::Table>> Run() {
    const auto* gather = plan_.nodes.back().As<GatherNode>();
    if (gather == nullptr) return NotRun(plan_.nodes.back());
    const std::string what = "entity column \"" + gather->time_column + "\"";
    const auto& time_column = *entities_.GetColumnByName(gather->time_column);
    SALVER_ASSIGN(const ArrayPtr utc, CastTimeColumn(time_column, what));
    SALVER_ASSIGN(times_, TimesOf(time_column, what));
    features_.resize(gather->output_count);
    names_.resize(gather->output_count);
    for (const DAGNode& node : plan_.nodes) {
      if (context_.cancelled != nullptr && *context_.cancelled)
        return Status::Cancelled("the retrieval was cancelled.");
      SALVER_RETURN_NOT_OK(RunNode(node));
    }
    return Assemble(gather->time_column, utc);
  }

 private:
  Status RunNode(const DAGNode& node) {
    if (const auto* read = node.As<ReadNode>()) {
      SALVER_ASSIGN(rows_[node.id], ReadRows(*read, context_));
    } else if (const auto* keys = node.As<EncodeKeysNode>()) {
      SALVER_ASSIGN(keys_[node.id], Encode(node.id, *keys));
    } else if (const auto* join = node.As<PointInTimeJoinNode>()) {
      if (!rows_.contains(node.inputs[1])) return NotRun(*plan_.Find(node.inputs[1]));
      return Join(*join, keys_[node.inputs[0]], rows_[node.inputs[1]]);
    } else if (node.As<GatherNode>() == nullptr) {
      return NotRun(node);
    }
    return Status::OK();
  }

  Result<EncodedKeys> Encode(NodeId id, const EncodeKeysNode& node) const {
    EncodedKeys encoded{&node, Keys(static_cast<size_t>(entities_.num_rows()), "")};
    for (size_t i = 0; i < node.join_keys.size(); ++i) {
      const std::string& name = node.entity_columns[i];
      SALVER_ASSIGN(const ArrayPtr column, CastKeyColumn(*entities_.GetColumnByName(name), node.join_keys[i],
                                                         "entity column \"" + name + "\"",
                                                         "feature view \"" + ViewOn(id) + "\" joins on " +
                                                             ValueTypeName(node.join_keys[i].type)));
      AppendKey(*column, &encoded.keys);
    }
    return encoded;
  }

  // A view that joins on these keys, for messages.
  std::string ViewOn(NodeId keys) const {
    for (const DAGNode* user : plan_.UsersOf(keys)) {
      if (const auto* join = user->As<PointInTimeJoinNode>()) return join->view;
    }
    return "";
  }

  Status Join(const PointInTimeJoinNode& join, const EncodedKeys& entities, const Rows& rows) {
    SALVER_ASSIGN(const Keys keys, KeysOf(rows, join.key_columns, entities.node->join_keys));
    const std::vector<int64_t> winners = Winners(join, entities, times_, keys, rows);
    for (const FeatureOutput& output : join.outputs) {
      SALVER_ASSIGN(features_[output.position], Gather(rows, output.source_column, output.field, winners));
      names_[output.position] = output.field.name;
    }
    return Status::OK();
  }

  // The entity rows, their times in UTC, and the features after them.
  std::shared_ptr<arrow::Table> Assemble(const std::string& time_column, const ArrayPtr& utc) const {
    arrow::FieldVector fields = entities_.schema()->fields();
    auto columns = entities_.columns();
    const auto time = static_cast<size_t>(entities_.schema()->GetFieldIndex(time_column));
    fields[time] = arrow::field(time_column, utc->type());
    columns[time] = std::make_shared<arrow::ChunkedArray>(utc);
    for (size_t i = 0; i < features_.size(); ++i) {
      fields.push_back(arrow::field(names_[i], features_[i]->type()));
      columns.push_back(std::make_shared<arrow::ChunkedArray>(features_[i]));
    }
    return arrow::Table::Make(arrow::schema(fields), columns, entities_.num_rows());
  }

  const ExecutionPlan& plan_;
  const arrow::Table& entities_;
  const ExecutionContext& context_;
  Times times_;
  std::map<NodeId, Rows> rows_;
  std::map<NodeId, EncodedKeys> keys_;
  std::vector<ArrayPtr> features_;
  std::vector<std::string> names_;
};

// Materialization's answer: the newest row of each key, all in one batch.
class NewestRows final : public LatestRows {
 public:
  static Result<std::unique_ptr<LatestRows>> Make(const NewestRowsNode& node, const Rows& rows) {
    auto newest = std::make_unique<NewestRows>();
    std::vector<std::string> columns;
    for (const Field& key : node.join_keys) columns.push_back(key.name);
    SALVER_ASSIGN(const Keys keys, KeysOf(rows, columns, node.join_keys));
    const std::vector<int64_t> winners = newest->Choose(node, keys, rows);
    for (const int64_t row : winners) {
      newest->batch_.event_us.push_back(*rows.event[static_cast<size_t>(row)]);
      if (!rows.created.empty())
        newest->batch_.created_us.push_back(CreatedOf(rows, static_cast<size_t>(row)));
    }
    for (const Field& key : node.join_keys) {
      SALVER_ASSIGN(auto column, Gather(rows, key.name, key, winners));
      newest->batch_.join_keys.push_back(std::move(column));
    }
    arrow::FieldVector fields;
    arrow::ArrayVector features;
    for (const Field& feature : node.features) {
      SALVER_ASSIGN(auto column, Gather(rows, feature.name, feature, winners));
      fields.push_back(arrow::field(feature.name, column->type()));
      features.push_back(std::move(column));
    }
    newest->batch_.features =
        arrow::RecordBatch::Make(arrow::schema(fields), static_cast<int64_t>(winners.size()), features);
    return std::unique_ptr<LatestRows>(std::move(newest));
  }

  int64_t rows_in_range() const override { return rows_in_range_; }
  int64_t rows_without_key() const override { return rows_without_key_; }
  int64_t row_count() const override { return static_cast<int64_t>(batch_.event_us.size()); }
  size_t batch_count() const override { return row_count() == 0 ? 0 : 1; }
  Result<LatestRowsBatch> Read(size_t) override { return batch_; }
  std::string source_version() const override { return ""; }

 private:
  std::vector<int64_t> Choose(const NewestRowsNode& node, const Keys& keys, const Rows& rows) {
    std::map<std::string, int64_t> best;
    for (size_t row = 0; row < keys.size(); ++row) {
      if (!rows.event[row] || *rows.event[row] < node.start_us || *rows.event[row] > node.end_us) continue;
      ++(keys[row] ? rows_in_range_ : rows_without_key_);
      if (!keys[row]) continue;
      int64_t& winner = best.try_emplace(*keys[row], -1).first->second;
      if (Replaces(rows, row, winner)) winner = static_cast<int64_t>(row);
    }
    std::vector<int64_t> winners;
    for (const auto& [key, row] : best) winners.push_back(row);
    return winners;
  }

  LatestRowsBatch batch_;
  int64_t rows_in_range_ = 0, rows_without_key_ = 0;
};

class BruteForceEngine final : public ComputeEngine {
 public:
  Result<std::shared_ptr<arrow::Table>> Run(const ExecutionPlan& plan, const arrow::Table& entities,
                                            const ExecutionContext& context, PlanReport* report) override {
    if (report != nullptr) {
      SALVER_ASSIGN(*report, Describe(plan, {.rows = entities.num_rows()}, context));
      report->ran = true;
      report->threads = 1;
    }
    return Execution(plan, entities, context).Run();
  }

  // It reads everything, and says so.
  Result<PlanReport> Describe(const ExecutionPlan& plan, const LabelTimes& labels,
                              const ExecutionContext& context) override {
    PlanReport report{.labels = labels};
    report.nodes.resize(plan.nodes.size());
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      const auto* read = plan.nodes[i].As<ReadNode>();
      if (read == nullptr) continue;
      SALVER_ASSIGN(const auto reader, context.offline->Open(read->source, {.columns = read->columns}));
      NodeReport& node = report.nodes[i];
      node.files = reader->file_count();
      node.row_groups = node.row_groups_needed = static_cast<int>(reader->row_groups().size());
      node.rows = 0;
      for (const RowGroup& group : reader->row_groups()) node.rows += group.rows;
      node.rows_needed = node.rows;
    }
    return report;
  }

  Result<std::unique_ptr<LatestRows>> Latest(const ExecutionPlan& plan,
                                             const ExecutionContext& context) override {
    const DAGNode& answer = plan.nodes.back();
    const auto* newest = answer.As<NewestRowsNode>();
    if (newest == nullptr) return NotRun(answer);
    const DAGNode& input = *plan.Find(answer.inputs[0]);
    const auto* read = input.As<ReadNode>();
    if (read == nullptr) return NotRun(input);
    SALVER_ASSIGN(const Rows rows, ReadRows(*read, context));
    return NewestRows::Make(*newest, rows);
  }
};

}  // namespace

std::shared_ptr<salver::ComputeEngine> NewBruteForceEngine() {
  return std::make_shared<BruteForceEngine>();
}
