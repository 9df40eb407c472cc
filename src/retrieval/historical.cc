#include "retrieval/historical.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/nearest.h"
#include "engine/scan.h"
#include "kernel/asof_join.h"
#include "kernel/columns.h"
#include "kernel/key_dictionary.h"
#include "model/feature_request.h"
#include "plan/feature_columns.h"

namespace salver {
namespace {

constexpr char kEventTimestamp[] = "event_timestamp";
constexpr int64_t kThirtyDays = int64_t{30} * 86'400 * kMicrosPerSecond;

class Problems {
 public:
  void Add(std::string problem, Reason reason = Reason::kMissingColumns) {
    if (list_.empty()) reason_ = reason;
    if (std::find(list_.begin(), list_.end(), problem) == list_.end()) list_.push_back(std::move(problem));
  }
  Status ToStatus() const {
    if (list_.empty()) return Status::OK();
    std::string text;
    for (const std::string& problem : list_) text += (text.empty() ? "" : "\n") + problem;
    return Status::InvalidArgument(std::move(text), reason_);
  }

 private:
  std::vector<std::string> list_;
  Reason reason_ = Reason::kNone;  // of the first
};

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

void CheckTimeColumn(const arrow::Field& column, Problems* problems) {
  switch (column.type()->id()) {
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::STRING:  // ISO 8601, read row by row
    case arrow::Type::LARGE_STRING:
      return;
    default:
      problems->Add("entity column \"" + column.name() + "\" holds " + column.type()->ToString() +
                        ", not a timestamp. Write it as a timestamp column.",
                    Reason::kBadTimestamp);
  }
}

size_t AddScan(const DataSource& source, ExecutionPlan* plan) {
  for (size_t i = 0; i < plan->scans.size(); ++i) {
    ScanNode& have = plan->scans[i];
    if (ReadsSameRows(have.source, source) && have.event_column == source.timestamp_field &&
        have.created_column == source.created_timestamp_column) {
      have.source.column_types.insert(source.column_types.begin(), source.column_types.end());
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
                        "\", the name of a requested feature. Rename it, or ask for full feature names.",
                    Reason::kNameCollision);
    }
  }
}

// Gives a field that was registered without a type the type that its source column has.
void InferType(const arrow::Field& column, Field* field) {
  if (field->type != ValueType::kInvalid) return;
  if (const auto type = ValueTypeOfArrow(*column.type()); type.ok()) field->type = *type;
}

// One source against the joins on it: columns that are not there, types that can not be read as declared.
class SourceCheck {
 public:
  SourceCheck(const ScanNode& scan, const arrow::Schema& schema, Problems* problems)
      : scan_(scan), schema_(schema), problems_(problems) {}

  void CheckTimes() const {
    CheckTime(scan_.event_column, "timestamp_field");
    if (!scan_.created_column.empty()) CheckTime(scan_.created_column, "created_timestamp_column");
  }

  void CheckJoin(JoinNode* join, KeyNode* keys) const {
    for (size_t i = 0; i < keys->join_keys.size(); ++i) {
      CheckField(join->key_columns[i], "a join key of feature view \"" + join->view + "\"",
                 &keys->join_keys[i]);
      if (KeyDictionary::IsSupported(keys->join_keys[i].type)) continue;
      problems_->Add("feature view \"" + join->view + "\" joins on \"" + keys->join_keys[i].name +
                         "\" of type " + ValueTypeName(keys->join_keys[i].type) +
                         ", which can not be a key. Join on a number, a string or a time.",
                     Reason::kBadKeyValue);
    }
    for (auto& output : join->outputs) {
      CheckField(output.source_column, "a feature of feature view \"" + join->view + "\"", &output.field);
    }
  }

 private:
  const arrow::Field* Find(const std::string& column, const std::string& role) const {
    if (const int index = schema_.GetFieldIndex(column); index >= 0) return schema_.field(index).get();
    problems_->Add(Subject() + " has no column \"" + column + "\", " + role + "." +
                   NearestNameHint(column, schema_.field_names()));
    return nullptr;
  }

  void CheckTime(const std::string& column, const std::string& role) const {
    const arrow::Field* field = Find(column, "its " + role);
    if (field == nullptr || IsTimestamp(*field) || field->type()->id() == arrow::Type::DATE32) return;
    problems_->Add(Subject() + ": column \"" + column + "\", its " + role + ", holds " +
                       field->type()->ToString() + ", not a timestamp. Write it as a timestamp column.",
                   Reason::kBadTimestamp);
  }

  void CheckField(const std::string& column, const std::string& role, Field* declared) const {
    const arrow::Field* field = Find(column, role);
    if (field == nullptr) return;
    InferType(*field, declared);
    if (CanCast(*field->type(), *declared)) return;
    problems_->Add(Subject() + ": column \"" + column + "\", " + role + ", holds " +
                       field->type()->ToString() + ", but " + ValueTypeName(declared->type) +
                       " is declared. Change the type in the definition, or cast the column in the source.",
                   Reason::kBadFeatureValue);
  }

  std::string Subject() const {
    return "data source \"" + scan_.source.name + "\" (" + scan_.source.location() + ")";
  }

  const ScanNode& scan_;
  const arrow::Schema& schema_;
  Problems* problems_;
};

Status CheckSources(OfflineStore* offline, ExecutionPlan* plan, Problems* problems) {
  for (size_t i = 0; i < plan->scans.size(); ++i) {
    SALVER_ASSIGN(const auto schema, offline->ReadSchema(plan->scans[i].source));
    const SourceCheck check(plan->scans[i], *schema, problems);
    check.CheckTimes();
    for (JoinNode& join : plan->joins) {
      if (join.scan == i) check.CheckJoin(&join, &plan->keys[join.keys]);
    }
  }
  return Status::OK();
}

class HistoricalJob final : public RetrievalJob {
 public:
  HistoricalJob(ExecutionPlan plan, HistoricalRequest request, RetrievalContext context)
      : plan_(std::move(plan)), request_(std::move(request)), context_(std::move(context)) {}

  Result<std::string> Explain(bool analyze) override {
    PlanReport report;
    if (analyze) {
      SALVER_RETURN_NOT_OK(Compute(&report).status());
      return plan_.ToString(&report);
    }
    LabelTimes labels;
    if (request_.entities != nullptr) {
      SALVER_ASSIGN(const auto times, CastTimeColumn(*request_.entities->GetColumnByName(plan_.time_column),
                                                     "entity column \"" + plan_.time_column + "\""));
      SALVER_ASSIGN(const auto micros, TimesOf(arrow::ChunkedArray(times), kNoTime, plan_.time_column));
      labels = TimesRange(micros);
    } else {
      labels.min_us = labels.max_us = request_.end_us.value_or(context_.clock->NowMicros());
    }
    SALVER_ASSIGN(report, context_.engine->Describe(Bounded(labels.max_us), labels, Context()));
    return plan_.ToString(&report);
  }
  void Cancel() override { cancelled_ = true; }

  Result<std::shared_ptr<arrow::Table>> Run() override { return Compute(nullptr); }

 private:
  ExecutionContext Context() const { return {context_.offline.get(), context_.threads, &cancelled_}; }

  Result<std::shared_ptr<arrow::Table>> Compute(PlanReport* report) {
    if (request_.entities != nullptr)
      return context_.engine->Run(plan_, *request_.entities, Context(), report);
    const int64_t end = request_.end_us.value_or(context_.clock->NowMicros());
    SALVER_ASSIGN(const auto entities, EntitiesInRange(end, Context()));
    return context_.engine->Run(Bounded(end), *entities, Context(), report);
  }

  // The plan with a bound for every join, when there are no entity rows.
  ExecutionPlan Bounded(int64_t end) const {
    ExecutionPlan bounded = plan_;
    for (JoinNode& join : bounded.joins) {
      if (request_.entities == nullptr) join.ttl_us = LookBack(join, end);
    }
    return bounded;
  }

  // How far before `end` a row of this join may lie: its ttl, else back to the requested start, else 30 days.
  int64_t LookBack(const JoinNode& join, int64_t end) const {
    if (join.ttl_us != 0) return join.ttl_us;
    return request_.start_us ? std::max<int64_t>(end - *request_.start_us, 1) : kThirtyDays;
  }

  // One row per key that any view can see at `end`: its time, and the keys. Views without entities add none;
  // when there are no others, one row.
  Result<std::shared_ptr<arrow::Table>> EntitiesInRange(int64_t end, const ExecutionContext& context) {
    std::vector<std::shared_ptr<arrow::Table>> tables;
    const KeyNode* key_node = nullptr;
    for (const JoinNode& join : plan_.joins) {
      if (join.key_columns.empty()) continue;
      key_node = &plan_.keys[join.keys];
      SALVER_ASSIGN(auto keys,
                    context_.engine->DistinctKeys(plan_, join, end - LookBack(join, end), end, context));
      tables.push_back(std::move(keys));
    }
    std::shared_ptr<arrow::Table> keys =
        arrow::Table::Make(arrow::schema({}), arrow::ChunkedArrayVector{}, 1);
    if (key_node != nullptr) {
      SALVER_ASSIGN(keys, FromArrow(arrow::ConcatenateTables(tables), "keys of the sources"));
      if (tables.size() > 1) {
        SALVER_ASSIGN(keys, Distinct(*keys, key_node->join_keys));
      }
    }
    const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    SALVER_ASSIGN(const auto times,
                  FromArrow(arrow::MakeArrayFromScalar(arrow::TimestampScalar(end, type), keys->num_rows()),
                            "time column"));
    return FromArrow(
        keys->AddColumn(0, arrow::field(kEventTimestamp, type), std::make_shared<arrow::ChunkedArray>(times)),
        "entity rows");
  }

  // Keys that several views have, once, in order of first appearance.
  static Result<std::shared_ptr<arrow::Table>> Distinct(const arrow::Table& keys,
                                                        std::span<const Field> fields) {
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (size_t i = 0; i < fields.size(); ++i) {
      SALVER_ASSIGN(auto column, CastColumn(*keys.column(static_cast<int>(i)), fields[i],
                                            "join key \"" + fields[i].name + "\""));
      columns.push_back(std::move(column));
    }
    const auto ids = KeyDictionary(fields).Add(columns, keys.num_rows());
    arrow::Int64Builder first_rows;
    for (size_t row = 0; row < ids.size(); ++row) {
      if (ids[row] != first_rows.length()) continue;  // ids count up in order of first appearance
      SALVER_RETURN_NOT_OK(FromArrow(first_rows.Append(static_cast<int64_t>(row)), "keys of the sources"));
    }
    SALVER_ASSIGN(const auto indices, FromArrow(first_rows.Finish(), "keys of the sources"));
    std::vector<std::shared_ptr<arrow::ChunkedArray>> distinct;
    for (const auto& column : columns) {
      SALVER_ASSIGN(auto taken, FromArrow(arrow::compute::Take(*column, *indices), "keys of the sources"));
      distinct.push_back(std::make_shared<arrow::ChunkedArray>(std::move(taken)));
    }
    return arrow::Table::Make(keys.schema(), std::move(distinct), indices->length());
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
    CheckTimeColumn(*request.entities->schema()->GetFieldByName(plan.time_column), &problems);
  } else if (std::count_if(plan.keys.begin(), plan.keys.end(),
                           [](const KeyNode& keys) { return !keys.join_keys.empty(); }) > 1) {
    return Status::InvalidArgument(
        "without entity rows all views must join on the same keys, and these do not. Give entity rows.",
        Reason::kMissingColumns);
  }
  SALVER_RETURN_NOT_OK(CheckSources(context.offline.get(), &plan, &problems));
  SALVER_RETURN_NOT_OK(problems.ToStatus());
  return std::unique_ptr<RetrievalJob>(new HistoricalJob(std::move(plan), request, context));
}

}  // namespace salver
