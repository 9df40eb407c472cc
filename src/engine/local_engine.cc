// Runs a plan in this process: per source and key set one scan of keys and times and one AsofIndex, shared by
// all joins on them; then, per join, only the row groups that hold winners. Joins run in parallel; each
// writes its own columns, so the answer does not depend on the number of threads.
#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/arrow_status.h"
#include "engine/compute_engine.h"
#include "engine/gather.h"
#include "engine/scan.h"
#include "kernel/asof_join.h"
#include "kernel/columns.h"
#include "kernel/key_dictionary.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

using arrow::Table;
using Columns = std::vector<std::shared_ptr<arrow::ChunkedArray>>;

Status CheckCancelled(const ExecutionContext& context) {
  if (context.cancelled == nullptr || !*context.cancelled) return Status::OK();
  return Status::Cancelled("the retrieval was cancelled.");
}

bool AreIntegers(std::span<const Field> keys) {
  return keys.size() == 1 && (keys[0].type == ValueType::kInt64 || keys[0].type == ValueType::kUnixTimestamp);
}

// The fields of a join's keys under the names they have in the source.
std::vector<Field> SourceKeys(const KeyNode& keys, const std::vector<std::string>& key_columns) {
  std::vector<Field> fields = keys.join_keys;
  for (size_t i = 0; i < fields.size(); ++i) fields[i].name = key_columns[i];
  return fields;
}

// The keys of the entity rows, numbered.
struct EncodedKeys {
  explicit EncodedKeys(const KeyNode& node)
      : dictionary(node.join_keys.size(), AreIntegers(node.join_keys)) {}
  KeyDictionary dictionary;
  std::vector<int32_t> ids;  // per entity row
};

Result<std::unique_ptr<EncodedKeys>> EncodeKeys(const KeyNode& node, const Table& entities) {
  auto keys = std::make_unique<EncodedKeys>(node);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < node.join_keys.size(); ++i) {
    const std::string& name = node.entity_columns[i];
    SALVER_ASSIGN(auto column, CastColumn(*entities.GetColumnByName(name), node.join_keys[i],
                                          "entity column \"" + name + "\""));
    columns.push_back(std::move(column));
  }
  keys->ids = keys->dictionary.Add(columns, entities.num_rows());
  return keys;
}

struct TimeRange {
  int64_t min_us = INT64_MAX, max_us = INT64_MIN;
};

// Event times that any join on this scan can match.
TimeRange NeededRange(const ExecutionPlan& plan, size_t scan, const std::vector<int64_t>& times) {
  TimeRange labels;
  for (const int64_t time : times) {
    if (time == kNoTime) continue;
    labels.min_us = std::min(labels.min_us, time);
    labels.max_us = std::max(labels.max_us, time);
  }
  if (labels.min_us > labels.max_us) return labels;
  int64_t longest = 0;
  for (const JoinNode& join : plan.joins) {
    if (join.scan != scan) continue;
    if (join.ttl_us == 0) return {INT64_MIN + 1, labels.max_us};
    longest = std::max(longest, join.ttl_us);
  }
  return {labels.min_us < INT64_MIN + 1 + longest ? INT64_MIN + 1 : labels.min_us - longest, labels.max_us};
}

Result<std::shared_ptr<const AsofIndex>> BuildIndex(SourceReader* reader, const ScanNode& scan,
                                                    const EncodedKeys& keys,
                                                    std::span<const Field> key_fields, TimeRange range) {
  const auto groups = GroupsInRange(*reader, range.min_us, range.max_us);
  SALVER_ASSIGN(const ScannedRows rows, ScanKeysAndTimes(reader, scan, key_fields, groups));
  const auto ids = keys.dictionary.Find(rows.keys, static_cast<int64_t>(rows.event_us.size()));
  BuildRows build;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || rows.event_us[i] < range.min_us || rows.event_us[i] > range.max_us) continue;
    build.keys.push_back(ids[i]);
    build.event_us.push_back(rows.event_us[i]);
    if (!rows.created_us.empty()) build.created_us.push_back(rows.created_us[i]);
    build.positions.push_back(rows.positions[i]);
  }
  return std::make_shared<const AsofIndex>(std::move(build), keys.dictionary.size());
}

// Calls work(i) for i below `count` on up to `threads` threads; the first error, by i, is returned.
template <typename Work>
Status InParallel(size_t count, int threads, Work work) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<Status> results(count);
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) results[i] = work(i);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < std::min<size_t>(static_cast<size_t>(threads), count); ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
  for (const Status& result : results) SALVER_RETURN_NOT_OK(result);
  return Status::OK();
}

// All joins that share one AsofIndex: same scan, same entity keys, same key columns of the source.
struct JoinGroup {
  const JoinNode* first;
  std::vector<const JoinNode*> joins;
};

std::vector<JoinGroup> GroupJoins(const ExecutionPlan& plan) {
  std::vector<JoinGroup> groups;
  for (const JoinNode& join : plan.joins) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const JoinGroup& group) {
      return group.first->scan == join.scan && group.first->keys == join.keys &&
             group.first->key_columns == join.key_columns;
    });
    if (same != groups.end()) {
      same->joins.push_back(&join);
    } else {
      groups.push_back({&join, {&join}});
    }
  }
  return groups;
}

Status RunJoin(SourceReader* reader, const JoinNode& join, const AsofIndex& index, const EncodedKeys& keys,
               const std::vector<int64_t>& times, Columns* answer) {
  const std::vector<int64_t> winners = index.Join(keys.ids, times, join.ttl_us, join.created_cut);
  std::vector<std::string> columns;
  for (const auto& output : join.outputs) columns.push_back(output.source_column);
  SALVER_ASSIGN(const Columns gathered, GatherColumns(reader, columns, winners));
  for (size_t i = 0; i < gathered.size(); ++i) {
    const auto& output = join.outputs[i];
    SALVER_ASSIGN(auto column,
                  CastColumn(*gathered[i], output.field,
                             "feature view \"" + join.view + "\", column \"" + output.source_column + "\""));
    (*answer)[output.position] = std::make_shared<arrow::ChunkedArray>(std::move(column));
  }
  return Status::OK();
}

// The entity rows with their time column in UTC microseconds, and the feature columns after them.
Result<std::shared_ptr<Table>> Assemble(const ExecutionPlan& plan, const Table& entities,
                                        const Columns& features) {
  arrow::FieldVector fields = entities.schema()->fields();
  Columns columns = entities.columns();
  const int time = entities.schema()->GetFieldIndex(plan.time_column);
  SALVER_ASSIGN(auto utc,
                CastColumn(*columns[time], Field{.name = plan.time_column, .type = ValueType::kUnixTimestamp},
                           "entity column \"" + plan.time_column + "\""));
  fields[time] = arrow::field(plan.time_column, utc->type());
  columns[time] = std::make_shared<arrow::ChunkedArray>(std::move(utc));
  std::vector<std::string> names(plan.output_count);
  for (const JoinNode& join : plan.joins) {
    for (const auto& output : join.outputs) names[output.position] = output.field.name;
  }
  for (size_t i = 0; i < features.size(); ++i) {
    fields.push_back(arrow::field(names[i], features[i]->type()));
    columns.push_back(features[i]);
  }
  return Table::Make(arrow::schema(std::move(fields)), std::move(columns), entities.num_rows());
}

class LocalLatestRows final : public LatestRows {
 public:
  static Result<std::unique_ptr<LatestRows>> Make(const LatestRowsNode& node,
                                                  const ExecutionContext& context) {
    auto rows = std::make_unique<LocalLatestRows>();
    rows->node_ = node;
    SALVER_ASSIGN(rows->reader_, OpenSource(node.scan.source, context.folder));
    SALVER_RETURN_NOT_OK(rows->FindNewest(context));
    return std::unique_ptr<LatestRows>(std::move(rows));
  }

  int64_t rows_in_range() const override { return rows_in_range_; }
  int64_t rows_without_key() const override { return rows_without_key_; }
  int64_t row_count() const override { return static_cast<int64_t>(winners_.size()); }

  Result<std::optional<LatestRowsBatch>> Next() override {
    if (next_ == winners_.size()) return std::optional<LatestRowsBatch>();
    constexpr size_t kBatchRows = 64 * 1024;
    const size_t end = std::min(winners_.size(), next_ + kBatchRows);
    LatestRowsBatch batch;
    std::vector<int64_t> positions;
    for (size_t i = next_; i < end; ++i) {
      positions.push_back(winners_[i].position);
      batch.event_us.push_back(winners_[i].event_us);
      if (!node_.scan.created_column.empty()) batch.created_us.push_back(winners_[i].created_us);
    }
    next_ = end;
    SALVER_RETURN_NOT_OK(Fill(positions, &batch));
    return std::optional<LatestRowsBatch>(std::move(batch));
  }

 private:
  struct Winner {
    int64_t position = -1, event_us = 0, created_us = kNoCreatedTime;
  };

  // One pass over keys and times; the newest row of each key stays. Afterwards in order of the source, so
  // that reading goes forward.
  Status FindNewest(const ExecutionContext& context) {
    KeyDictionary dictionary(node_.join_keys.size(), AreIntegers(node_.join_keys));
    for (const int group : GroupsInRange(*reader_, node_.start_us, node_.end_us)) {
      SALVER_RETURN_NOT_OK(CheckCancelled(context));
      SALVER_ASSIGN(const ScannedRows rows,
                    ScanKeysAndTimes(reader_.get(), node_.scan, node_.join_keys, std::span(&group, 1)));
      const auto ids = dictionary.Add(rows.keys, static_cast<int64_t>(rows.event_us.size()));
      winners_.resize(static_cast<size_t>(dictionary.size()));
      for (size_t i = 0; i < ids.size(); ++i) {
        const int64_t event = rows.event_us[i];
        if (event == kNoTime || event < node_.start_us || event > node_.end_us) continue;
        if (ids[i] < 0) {
          ++rows_without_key_;
          continue;
        }
        ++rows_in_range_;
        const int64_t created = rows.created_us.empty() ? kNoCreatedTime : rows.created_us[i];
        Winner& winner = winners_[static_cast<size_t>(ids[i])];
        if (winner.position < 0 || IsNewer(event, created, winner.event_us, winner.created_us)) {
          winner = {rows.positions[i], event, created};
        }
      }
    }
    std::erase_if(winners_, [](const Winner& winner) { return winner.position < 0; });
    std::sort(winners_.begin(), winners_.end(),
              [](const Winner& a, const Winner& b) { return a.position < b.position; });
    return Status::OK();
  }

  Status Fill(const std::vector<int64_t>& positions, LatestRowsBatch* batch) {
    std::vector<Field> fields = node_.join_keys;
    fields.insert(fields.end(), node_.features.begin(), node_.features.end());
    std::vector<std::string> columns;
    for (const Field& field : fields) columns.push_back(field.name);
    SALVER_ASSIGN(const Columns gathered, GatherColumns(reader_.get(), columns, positions));
    arrow::FieldVector schema;
    std::vector<std::shared_ptr<arrow::Array>> features;
    for (size_t i = 0; i < fields.size(); ++i) {
      SALVER_ASSIGN(auto column, CastColumn(*gathered[i], fields[i],
                                            "data source \"" + node_.scan.source.name + "\", column \"" +
                                                columns[i] + "\""));
      if (i < node_.join_keys.size()) {
        batch->join_keys.push_back(std::move(column));
        continue;
      }
      schema.push_back(arrow::field(fields[i].name, column->type()));
      features.push_back(std::move(column));
    }
    batch->features = arrow::RecordBatch::Make(arrow::schema(std::move(schema)),
                                               static_cast<int64_t>(positions.size()), std::move(features));
    return Status::OK();
  }

  LatestRowsNode node_;
  std::unique_ptr<SourceReader> reader_;
  std::vector<Winner> winners_;
  size_t next_ = 0;
  int64_t rows_in_range_ = 0, rows_without_key_ = 0;
};

class LocalEngine final : public ComputeEngine {
 public:
  Result<std::shared_ptr<Table>> Run(const ExecutionPlan& plan, const Table& entities,
                                     const ExecutionContext& context) override {
    SALVER_ASSIGN(const auto times, TimesOf(*entities.GetColumnByName(plan.time_column), kNoTime,
                                            "entity column \"" + plan.time_column + "\""));
    std::vector<std::unique_ptr<EncodedKeys>> keys;
    for (const KeyNode& node : plan.keys) {
      SALVER_ASSIGN(auto encoded, EncodeKeys(node, entities));
      keys.push_back(std::move(encoded));
    }
    Columns features(plan.output_count);
    const std::vector<JoinGroup> groups = GroupJoins(plan);
    SALVER_RETURN_NOT_OK(InParallel(groups.size(), context.threads, [&](size_t i) -> Status {
      const JoinNode& first = *groups[i].first;
      const ScanNode& scan = plan.scans[first.scan];
      SALVER_RETURN_NOT_OK(CheckCancelled(context));
      SALVER_ASSIGN(const auto reader, OpenSource(scan.source, context.folder));
      const auto key_fields = SourceKeys(plan.keys[first.keys], first.key_columns);
      SALVER_ASSIGN(const auto index, BuildIndex(reader.get(), scan, *keys[first.keys], key_fields,
                                                 NeededRange(plan, first.scan, times)));
      for (const JoinNode* join : groups[i].joins) {
        SALVER_RETURN_NOT_OK(CheckCancelled(context));
        SALVER_RETURN_NOT_OK(RunJoin(reader.get(), *join, *index, *keys[join->keys], times, &features));
      }
      return Status::OK();
    }));
    return Assemble(plan, entities, features);
  }

  Result<std::unique_ptr<LatestRows>> Latest(const LatestRowsNode& node,
                                             const ExecutionContext& context) override {
    return LocalLatestRows::Make(node, context);
  }

  Result<std::shared_ptr<Table>> DistinctKeys(const ExecutionPlan& plan, const JoinNode& join,
                                              int64_t start_us, int64_t end_us,
                                              const ExecutionContext& context) override {
    const KeyNode& keys = plan.keys[join.keys];
    LatestRowsNode node{plan.scans[join.scan], SourceKeys(keys, join.key_columns), {}, start_us, end_us};
    SALVER_ASSIGN(const auto rows, LocalLatestRows::Make(node, context));
    std::vector<arrow::ArrayVector> chunks(keys.join_keys.size());
    int64_t count = 0;
    for (;;) {
      SALVER_ASSIGN(auto batch, rows->Next());
      if (!batch) break;
      count += static_cast<int64_t>(batch->event_us.size());
      for (size_t i = 0; i < chunks.size(); ++i) chunks[i].push_back(batch->join_keys[i]);
    }
    arrow::FieldVector fields;
    Columns columns;
    for (size_t i = 0; i < chunks.size(); ++i) {
      const auto type = ArrowType(keys.join_keys[i].type, "");
      fields.push_back(arrow::field(keys.entity_columns[i], type));
      columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks[i]), type));
    }
    return Table::Make(arrow::schema(std::move(fields)), std::move(columns), count);
  }
};

}  // namespace

std::unique_ptr<ComputeEngine> NewLocalEngine() {
  return std::make_unique<LocalEngine>();
}

}  // namespace salver
