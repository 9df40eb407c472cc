#include "retrieval/historical.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/nearest.h"
#include "kernel/columns.h"
#include "kernel/key_dictionary.h"
#include "model/feature_request.h"
#include "plan/feature_columns.h"
#include "source/source_reader.h"

namespace salver {
namespace {

constexpr char kEventTimestamp[] = "event_timestamp";
constexpr int64_t kThirtyDays = int64_t{30} * 86'400 * kMicrosPerSecond;

bool IsTimestamp(const arrow::Field& field) {
  return field.type()->id() == arrow::Type::TIMESTAMP;
}

// "event_timestamp", else the only timestamp column.
Result<std::string> TimeColumn(const arrow::Schema& schema) {
  if (schema.GetFieldIndex(kEventTimestamp) >= 0) return std::string(kEventTimestamp);
  std::vector<std::string> candidates;
  for (const auto& field : schema.fields()) {
    if (IsTimestamp(*field)) candidates.push_back(field->name());
  }
  if (candidates.size() == 1) return candidates[0];
  std::string text = "the entity rows have no column \"event_timestamp\" and ";
  if (candidates.empty()) {
    text += "no other timestamp column. Add one with the moment of each row.";
  } else {
    text += "several timestamp columns:";
    for (const std::string& name : candidates) text += " \"" + name + "\"";
    text += ". Name the one to join by event_timestamp.";
  }
  return Status::InvalidArgument(std::move(text), Reason::kMissingColumns);
}

size_t AddScan(const DataSource& source, ExecutionPlan* plan) {
  for (size_t i = 0; i < plan->scans.size(); ++i) {
    const ScanNode& have = plan->scans[i];
    if (have.source.path == source.path && have.event_column == source.timestamp_field &&
        have.created_column == source.created_timestamp_column) {
      return i;
    }
  }
  plan->scans.push_back({source, source.timestamp_field, source.created_timestamp_column});
  return plan->scans.size() - 1;
}

size_t AddKeys(const RequestedView& view, ExecutionPlan* plan) {
  KeyNode keys;
  for (const Field& join_key : view.view->join_keys) {
    keys.entity_columns.push_back(view.EntityColumn(join_key.name));
    keys.join_keys.push_back(join_key);
  }
  for (size_t i = 0; i < plan->keys.size(); ++i) {
    const KeyNode& have = plan->keys[i];
    const bool same_types =
        std::equal(have.join_keys.begin(), have.join_keys.end(), keys.join_keys.begin(), keys.join_keys.end(),
                   [](const Field& a, const Field& b) { return a.type == b.type; });
    if (have.entity_columns == keys.entity_columns && same_types) return i;
  }
  plan->keys.push_back(std::move(keys));
  return plan->keys.size() - 1;
}

Status AddJoin(const RequestedView& requested, bool created_cut, ExecutionPlan* plan) {
  const FeatureView& view = *requested.view;
  if (!view.batch_source) {
    return Status::FailedPrecondition(
        "feature view \"" + view.name + "\" has no batch source, so it has no history to read. Give it one.",
        Reason::kBadSource);
  }
  const DataSource& source = *view.batch_source;
  JoinNode join;
  join.scan = AddScan(source, plan);
  join.keys = AddKeys(requested, plan);
  join.view = requested.name;
  for (const Field& join_key : view.join_keys)
    join.key_columns.push_back(SourceColumn(source, join_key.name));
  join.ttl_us = view.ttl_us;
  join.created_cut = created_cut && !source.created_timestamp_column.empty();
  for (const RequestedFeature& feature : requested.features) {
    Field field = view.features[feature.column];
    std::string column = SourceColumn(source, field.name);
    field.name = feature.name;
    join.outputs.push_back({std::move(column), std::move(field), feature.position});
    plan->output_count = std::max(plan->output_count, feature.position + 1);
  }
  plan->joins.push_back(std::move(join));
  return Status::OK();
}

class Problems {
 public:
  void Add(std::string problem) {
    if (std::find(list_.begin(), list_.end(), problem) == list_.end()) list_.push_back(std::move(problem));
  }
  Status ToStatus() const {
    if (list_.empty()) return Status::OK();
    std::string text;
    for (const std::string& problem : list_) text += (text.empty() ? "" : "\n") + problem;
    return Status::InvalidArgument(std::move(text), Reason::kMissingColumns);
  }

 private:
  std::vector<std::string> list_;
};

void CheckEntityColumns(const ExecutionPlan& plan, const arrow::Schema& schema, Problems* problems) {
  for (const JoinNode& join : plan.joins) {
    for (const std::string& column : plan.keys[join.keys].entity_columns) {
      if (schema.GetFieldIndex(column) >= 0) continue;
      problems->Add("the entity rows have no column \"" + column + "\", which feature view \"" + join.view +
                    "\" joins on." + NearestNameHint(column, schema.field_names()));
    }
    for (const auto& output : join.outputs) {
      if (schema.GetFieldIndex(output.field.name) < 0) continue;
      problems->Add("the entity rows already have a column \"" + output.field.name +
                    "\", the name of a requested feature. Rename it, or ask for full feature names.");
    }
  }
}

Status CheckSources(const ExecutionPlan& plan, const std::string& folder, Problems* problems) {
  for (size_t i = 0; i < plan.scans.size(); ++i) {
    const ScanNode& scan = plan.scans[i];
    SALVER_ASSIGN(const auto schema, ReadSourceSchema(scan.source, folder));
    const auto need = [&](const std::string& column, const std::string& why) {
      if (schema->GetFieldIndex(column) >= 0) return;
      problems->Add("data source \"" + scan.source.name + "\" (" + scan.source.path + ") has no column \"" +
                    column + "\", " + why + "." + NearestNameHint(column, schema->field_names()));
    };
    need(scan.event_column, "its timestamp_field");
    if (!scan.created_column.empty()) need(scan.created_column, "its created_timestamp_column");
    for (const JoinNode& join : plan.joins) {
      if (join.scan != i) continue;
      for (const std::string& column : join.key_columns)
        need(column, "a join key of feature view \"" + join.view + "\"");
      for (const auto& output : join.outputs)
        need(output.source_column, "a feature of feature view \"" + join.view + "\"");
    }
  }
  return Status::OK();
}

class HistoricalJob final : public RetrievalJob {
 public:
  HistoricalJob(ExecutionPlan plan, HistoricalRequest request, RetrievalContext context)
      : plan_(std::move(plan)), request_(std::move(request)), context_(std::move(context)) {}

  std::string Explain() const override { return plan_.ToString(); }
  void Cancel() override { cancelled_ = true; }

  Result<std::shared_ptr<arrow::Table>> Run() override {
    const ExecutionContext context{context_.folder, context_.threads, &cancelled_};
    if (request_.entities != nullptr) return context_.engine->Run(plan_, *request_.entities, context);
    const int64_t end = request_.end_us.value_or(context_.clock->NowMicros());
    SALVER_ASSIGN(const auto entities, EntitiesInRange(end, context));
    ExecutionPlan bounded = plan_;
    for (JoinNode& join : bounded.joins) join.ttl_us = LookBack(join, end);
    return context_.engine->Run(bounded, *entities, context);
  }

 private:
  // How far before `end` a row of this join may lie: its ttl, and not before the requested start.
  int64_t LookBack(const JoinNode& join, int64_t end) const {
    if (request_.start_us) {
      const int64_t range = std::max<int64_t>(end - *request_.start_us, 1);
      return join.ttl_us == 0 ? range : std::min(join.ttl_us, range);
    }
    return join.ttl_us == 0 ? kThirtyDays : join.ttl_us;
  }

  // One row per key that any view can see at `end`: its time, and the keys.
  Result<std::shared_ptr<arrow::Table>> EntitiesInRange(int64_t end, const ExecutionContext& context) {
    std::vector<std::shared_ptr<arrow::Table>> tables;
    for (const JoinNode& join : plan_.joins) {
      SALVER_ASSIGN(auto keys,
                    context_.engine->DistinctKeys(plan_, join, end - LookBack(join, end), end, context));
      tables.push_back(std::move(keys));
    }
    SALVER_ASSIGN(auto keys, FromArrow(arrow::ConcatenateTables(tables), "keys of the sources"));
    SALVER_ASSIGN(keys, Distinct(*keys));
    arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                    arrow::default_memory_pool());
    for (int64_t i = 0; i < keys->num_rows(); ++i)
      SALVER_RETURN_NOT_OK(FromArrow(builder.Append(end), "time column"));
    SALVER_ASSIGN(auto times, FromArrow(builder.Finish(), "time column"));
    return FromArrow(keys->AddColumn(0, arrow::field(kEventTimestamp, times->type()),
                                     std::make_shared<arrow::ChunkedArray>(times)),
                     "entity rows");
  }

  // Keys that several views have, once, in order of first appearance.
  Result<std::shared_ptr<arrow::Table>> Distinct(const arrow::Table& keys) const {
    if (plan_.joins.size() == 1) return keys.Slice(0);
    const std::vector<Field>& fields = plan_.keys[0].join_keys;
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (size_t i = 0; i < fields.size(); ++i) {
      SALVER_ASSIGN(auto column, CastColumn(*keys.column(static_cast<int>(i)), fields[i],
                                            "join key \"" + fields[i].name + "\""));
      columns.push_back(std::move(column));
    }
    const auto ids = KeyDictionary(fields.size(), false).Add(columns, keys.num_rows());
    std::vector<std::shared_ptr<arrow::Table>> kept;
    int32_t next = 0;
    for (int64_t row = 0; row < keys.num_rows(); ++row) {
      if (ids[row] != next) continue;  // ids count up in order of first appearance
      kept.push_back(keys.Slice(row, 1));
      ++next;
    }
    if (kept.empty()) return keys.Slice(0, 0);
    return FromArrow(arrow::ConcatenateTables(kept), "keys of the sources");
  }

  const ExecutionPlan plan_;
  const HistoricalRequest request_;
  const RetrievalContext context_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace

Result<std::unique_ptr<RetrievalJob>> PlanHistoricalFeatures(std::shared_ptr<const RegistrySnapshot> snapshot,
                                                             const HistoricalRequest& request,
                                                             const RetrievalContext& context) {
  const std::vector<std::string_view> features(request.features.begin(), request.features.end());
  SALVER_ASSIGN(const auto views,
                ResolveFeatures(*snapshot, features, request.feature_service, request.full_feature_names));
  if (request.entities != nullptr && (request.start_us || request.end_us)) {
    return Status::InvalidArgument(
        "entity rows and a start or end date were both given. Entity rows carry their own times: give one of "
        "them.",
        Reason::kBadTimeRange);
  }
  if (request.start_us && request.end_us && *request.start_us > *request.end_us) {
    return Status::InvalidArgument("the start date " + FormatTime(*request.start_us) +
                                       " is after the end date " + FormatTime(*request.end_us) +
                                       ". Swap them.",
                                   Reason::kBadTimeRange);
  }
  ExecutionPlan plan;
  plan.time_column = kEventTimestamp;
  Problems problems;
  for (const RequestedView& view : views)
    SALVER_RETURN_NOT_OK(AddJoin(view, request.filter_by_created_timestamp, &plan));
  if (request.entities != nullptr) {
    SALVER_ASSIGN(plan.time_column, TimeColumn(*request.entities->schema()));
    CheckEntityColumns(plan, *request.entities->schema(), &problems);
  } else if (plan.keys.size() > 1) {
    return Status::InvalidArgument(
        "without entity rows all views must join on the same keys, and these do not. Give entity rows.",
        Reason::kMissingColumns);
  }
  SALVER_RETURN_NOT_OK(CheckSources(plan, context.folder, &problems));
  SALVER_RETURN_NOT_OK(problems.ToStatus());
  return std::unique_ptr<RetrievalJob>(new HistoricalJob(std::move(plan), request, context));
}

}  // namespace salver
