#include "retrieval/historical.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include <algorithm>
#include <set>

#include "base/arrow_status.h"
#include "engine/check_sources.h"
#include "engine/scan.h"
#include "kernel/columns.h"
#include "kernel/key_dictionary.h"
#include "kernel/no_time.h"
#include "model/feature_request.h"
#include "plan/explain.h"
#include "plan/feature_builder.h"
#include "plan/optimizer.h"
#include "plan/validate.h"
#include "salver/log.h"

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

// What a request means once it is planned.
struct PlannedRequest {
  ExecutionPlan plan;
  std::shared_ptr<const RegistrySnapshot> snapshot;
  std::vector<RequestedView> views;
  std::shared_ptr<arrow::Table> entities;  // null: one row a key, at end_us
  int64_t end_us = 0;
  int64_t default_ttl_us = 0;
  RetrievalMetadata metadata;
};

class HistoricalJob final : public RetrievalJob {
 public:
  HistoricalJob(PlannedRequest request, RetrievalContext context)
      : request_(std::move(request)), context_(std::move(context)) {}

  Result<std::string> Explain(bool analyze) override {
    SALVER_ASSIGN(const PlanReport report, Report(analyze));
    return salver::Explain(request_.plan, &report);
  }
  Result<std::string> ExplainJson(bool analyze) override {
    SALVER_ASSIGN(const PlanReport report, Report(analyze));
    return salver::ExplainJson(request_.plan, &report);
  }
  void Cancel() override { cancelled_ = true; }

  Result<std::shared_ptr<arrow::Table>> Run() override {
    return Logged(LogRoom::kRetrieval, "get_historical_features",
                  [&](LogLine* line) -> Result<std::shared_ptr<arrow::Table>> {
                    std::string views;
                    for (const RequestedView& view : request_.views)
                      views += (views.empty() ? "" : ",") + view.name;
                    line->Add("views", views);
                    line->Add("features", static_cast<int64_t>(request_.metadata.features.size()));
                    SALVER_ASSIGN(auto rows, Compute(nullptr));
                    line->Add("rows", rows->num_rows());
                    line->Add("columns", rows->num_columns());
                    return rows;
                  });
  }

  Status Persist(const DataSource& storage, bool allow_overwrite) override {
    SALVER_ASSIGN(const auto answer, Run());
    return context_.offline->Create(storage, *answer, allow_overwrite);
  }
  const RetrievalMetadata& metadata() const override { return request_.metadata; }

 private:
  ExecutionContext Context() const {
    return {.offline = context_.offline.get(),
            .threads = context_.threads,
            .cancelled = &cancelled_,
            .memory_limit_bytes = context_.memory_limit_bytes,
            .spill_folder = context_.spill_folder};
  }

  static const std::string& TimeColumnOf(const ExecutionPlan& plan) {
    return plan.nodes.back().As<GatherNode>()->time_column;
  }

  // What the plan will read, or with `analyze` did.
  Result<PlanReport> Report(bool analyze) {
    if (analyze) {
      PlanReport report;
      SALVER_RETURN_NOT_OK(Compute(&report).status());
      return report;
    }
    LabelTimes labels;
    if (request_.entities != nullptr) {
      const std::string& column = TimeColumnOf(request_.plan);
      SALVER_ASSIGN(const auto times, CastTimeColumn(*request_.entities->GetColumnByName(column),
                                                     "entity column \"" + column + "\""));
      SALVER_ASSIGN(const auto micros, TimesOf(arrow::ChunkedArray(times), kNoTime, column));
      labels = TimesRange(micros);
    } else {
      labels.min_us = labels.max_us = request_.end_us;
    }
    return context_.engine->Describe(request_.plan, labels, Context());
  }

  Result<std::shared_ptr<arrow::Table>> Compute(PlanReport* report) {
    if (request_.entities != nullptr)
      return context_.engine->Run(request_.plan, *request_.entities, Context(), report);
    SALVER_ASSIGN(const auto entities, EntitiesInRange());
    return context_.engine->Run(request_.plan, *entities, Context(), report);
  }

  // One row per key that any view can see at the end: its time, and the keys. Views without entities add
  // none; when there are no others, one row.
  Result<std::shared_ptr<arrow::Table>> EntitiesInRange() {
    std::vector<std::shared_ptr<arrow::Table>> tables;
    const std::vector<Field>* key_fields = nullptr;
    for (const RequestedView& requested : request_.views) {
      if (requested.view->entityless()) continue;
      SALVER_ASSIGN(auto keys, KeysInRange(requested));
      key_fields = &requested.view->join_keys;
      tables.push_back(std::move(keys));
    }
    std::shared_ptr<arrow::Table> keys =
        arrow::Table::Make(arrow::schema({}), arrow::ChunkedArrayVector{}, 1);
    if (key_fields != nullptr) {
      SALVER_ASSIGN(keys, FromArrow(arrow::ConcatenateTables(tables), "keys of the sources"));
      if (tables.size() > 1) {
        SALVER_ASSIGN(keys, Distinct(*keys, *key_fields));
      }
    }
    const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    SALVER_ASSIGN(
        const auto times,
        FromArrow(arrow::MakeArrayFromScalar(arrow::TimestampScalar(request_.end_us, type), keys->num_rows()),
                  "time column"));
    return FromArrow(
        keys->AddColumn(0, arrow::field(kEventTimestamp, type), std::make_shared<arrow::ChunkedArray>(times)),
        "entity rows");
  }

  // The distinct keys that a view has in its look-back, under the names of the entity columns.
  Result<std::shared_ptr<arrow::Table>> KeysInRange(const RequestedView& requested) {
    const FeatureView& view = *requested.view;
    const int64_t look_back = view.ttl_us != 0 ? view.ttl_us : request_.default_ttl_us;
    SALVER_ASSIGN(ExecutionPlan plan,
                  FeatureBuilder(*request_.snapshot)
                      .Latest(view, {request_.end_us - look_back, request_.end_us}, /*with_features=*/false));
    if (context_.optimize) Optimize(&plan);
    SALVER_ASSIGN(const auto rows, context_.engine->Latest(plan, Context()));
    std::vector<arrow::ArrayVector> chunks(view.join_keys.size());
    for (;;) {
      SALVER_ASSIGN(auto batch, rows->Next());
      if (!batch) break;
      for (size_t i = 0; i < chunks.size(); ++i) chunks[i].push_back(batch->join_keys[i]);
    }
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
    for (size_t i = 0; i < chunks.size(); ++i) {
      const auto type = ArrowType(view.join_keys[i].type, "");
      fields.push_back(arrow::field(requested.EntityColumn(view.join_keys[i].name), type));
      columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks[i]), type));
    }
    return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows->row_count());
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

  const PlannedRequest request_;
  const RetrievalContext context_;
  std::atomic<bool> cancelled_{false};
};

// How many different keys the plan joins entity rows on, those of entityless views not counted.
size_t DistinctKeySets(std::span<const RequestedView> views) {
  std::set<std::vector<std::string>> sets;
  for (const RequestedView& view : views) {
    std::vector<std::string> columns;
    for (const Field& key : view.view->join_keys)
      columns.push_back(view.EntityColumn(key.name) + ":" + ValueTypeName(key.type));
    if (!columns.empty()) sets.insert(std::move(columns));
  }
  return sets.size();
}

Status CheckTimes(const HistoricalRequest& request) {
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
  return Status::OK();
}

// What is known of the answer before it is computed.
Result<RetrievalMetadata> MetadataOf(const PlannedRequest& planned, const std::string& time_column) {
  RetrievalMetadata metadata;
  std::map<size_t, std::string> features;  // by position in the answer
  for (const RequestedView& view : planned.views) {
    for (const RequestedFeature& feature : view.features)
      features[feature.position] = view.name + ":" + view.view->features[feature.column].name;
    for (const Field& key : view.view->join_keys) {
      const std::string& column = view.EntityColumn(key.name);
      auto& keys = metadata.join_keys;
      if (std::find(keys.begin(), keys.end(), column) == keys.end()) keys.push_back(column);
    }
  }
  for (auto& [position, feature] : features) metadata.features.push_back(std::move(feature));
  metadata.min_event_us = metadata.max_event_us = planned.end_us;
  if (planned.entities == nullptr) return metadata;
  const auto column = planned.entities->GetColumnByName(time_column);
  if (column == nullptr) return metadata;
  const std::string what = "entity column \"" + time_column + "\"";
  SALVER_ASSIGN(const auto times, CastTimeColumn(*column, what));
  SALVER_ASSIGN(const auto micros, TimesOf(arrow::ChunkedArray(times), kNoTime, what));
  const LabelTimes labels = TimesRange(micros);
  if (labels.min_us <= labels.max_us) {
    metadata.min_event_us = labels.min_us;
    metadata.max_event_us = labels.max_us;
  }
  return metadata;
}

}  // namespace

Result<std::unique_ptr<RetrievalJob>> PlanHistoricalFeatures(std::shared_ptr<const RegistrySnapshot> snapshot,
                                                             const HistoricalRequest& request,
                                                             const RetrievalContext& context) {
  const std::vector<std::string_view> features(request.features.begin(), request.features.end());
  PlannedRequest planned{.snapshot = snapshot, .entities = request.entities};
  SALVER_ASSIGN(planned.views,
                ResolveFeatures(*snapshot, features, request.feature_service, request.full_feature_names));
  SALVER_RETURN_NOT_OK(CheckTimes(request));
  HistoricalPlanOptions options{kEventTimestamp, request.filter_by_created_timestamp};
  if (request.entities != nullptr) {
    SALVER_ASSIGN(options.time_column, TimeColumn(*request.entities->schema()));
  } else {
    if (DistinctKeySets(planned.views) > 1) {
      return Status::InvalidArgument(
          "without entity rows all views must join on the same keys, and these do not. Give entity rows.",
          Reason::kMissingColumns);
    }
    // How far before the end a row may lie: a view's ttl, else back to the requested start, else 30 days.
    planned.end_us = request.end_us.value_or(context.clock->NowMicros());
    planned.default_ttl_us =
        request.start_us ? std::max<int64_t>(planned.end_us - *request.start_us, 1) : kThirtyDays;
    options.default_ttl_us = planned.default_ttl_us;
  }
  SALVER_ASSIGN(planned.plan, FeatureBuilder(*snapshot).Historical(planned.views, options));
  if (context.optimize) Optimize(&planned.plan);
  Problems problems;
  ValidatePlan(planned.plan, &problems);
  if (request.entities != nullptr) ValidateEntities(planned.plan, *request.entities->schema(), &problems);
  CheckSources(context.offline.get(), &planned.plan, &problems);
  SALVER_RETURN_NOT_OK(problems.ToStatus());
  SALVER_ASSIGN(planned.metadata, MetadataOf(planned, options.time_column));
  planned.metadata.full_feature_names = request.full_feature_names;
  return std::unique_ptr<RetrievalJob>(new HistoricalJob(std::move(planned), context));
}

}  // namespace salver
