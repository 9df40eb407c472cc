#include "materialize/materialize.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/nearest.h"
#include "kernel/asof_join.h"
#include "kernel/columns.h"
#include "plan/feature_builder.h"
#include "plan/feature_columns.h"
#include "plan/optimizer.h"
#include "registry/apply.h"
#include "salver/entity_key.h"

namespace salver {
namespace {

using ViewPtr = std::shared_ptr<const FeatureView>;

Status CheckMaterializable(const FeatureView& view) {
  const auto refuse = [&](const std::string& why, Reason reason) {
    return Status::FailedPrecondition("feature view \"" + view.name + "\" can not be materialized: " + why,
                                      reason);
  };
  const bool aggregates = view.kind == FeatureViewKind::kStream && !view.aggregations.empty();
  if (view.kind != FeatureViewKind::kFeature && !aggregates) {
    return refuse("it is no plain feature view, and this release computes only those.",
                  Reason::kNotExecutedYet);
  }
  if (view.has_transformation)
    return refuse("it has a transformation, which this release does not run.", Reason::kNotExecutedYet);
  if (!view.online)
    return refuse("it has online: false. Set online to true and apply.", Reason::kViewNotMaterializable);
  if (!view.enabled) return refuse("it is disabled. Enable it and apply.", Reason::kViewNotMaterializable);
  if (!view.batch_source) return refuse("it has no batch source to read. Give it one.", Reason::kBadSource);
  return Status::OK();
}

// The views asked for, or all that are online. Views that materialize() passes over by itself are left out.
Result<std::vector<ViewPtr>> ChooseViews(const RegistrySnapshot& snapshot,
                                         const std::vector<std::string>& names) {
  std::vector<ViewPtr> views;
  for (const std::string& name : names) {
    SALVER_ASSIGN(auto view, snapshot.GetView(name));
    SALVER_RETURN_NOT_OK(CheckMaterializable(*view));
    views.push_back(std::move(view));
  }
  if (!names.empty()) return views;
  for (const ViewPtr& view : snapshot.views()) {
    if (CheckMaterializable(*view).ok()) views.push_back(view);
  }
  return views;
}

// The range for one view. Incremental: from the end of what is materialized; a view that never was starts a
// ttl before the end, or with its first row when it has no ttl.
TimeInterval RangeOf(const FeatureView& view, const MaterializeOptions& options, int64_t now_us) {
  if (options.disable_event_timestamp) return {0, now_us};
  if (options.start_us) return {*options.start_us, options.end_us};
  if (!view.materialized.empty()) return {view.materialized.back().end_us, options.end_us};
  return {view.ttl_us > 0 ? options.end_us - view.ttl_us : 0, options.end_us};
}

// Encodes and writes one batch of rows.
Result<WriteCounts> WriteBatch(const FeatureView& view,
                               const std::vector<std::shared_ptr<arrow::Array>>& join_keys,
                               std::span<const int64_t> event_us, std::span<const int64_t> created_us,
                               const arrow::RecordBatch& features, const MaterializeContext& context) {
  SALVER_ASSIGN(const auto encoder, EntityKeyEncoder::Make(view.join_keys, context.entity_key_version));
  std::string bytes;
  std::vector<uint64_t> ends;
  std::vector<std::string_view> keys(event_us.size());
  if (view.entityless()) {
    std::fill(keys.begin(), keys.end(), std::string_view(encoder.prefix()));
  } else {
    SALVER_RETURN_NOT_OK(encoder.EncodeColumns(join_keys, &bytes, &ends));
    for (size_t i = 0; i < keys.size(); ++i) {
      const uint64_t start = i == 0 ? 0 : ends[i - 1];
      keys[i] = std::string_view(bytes).substr(start, ends[i] - start);
    }
  }
  return context.online_store->Write(view, {keys, event_us, created_us, &features}, Deadline::Never());
}

Result<MaterializeReport::View> MaterializeView(const RegistrySnapshot& snapshot, const FeatureView& view,
                                                TimeInterval range, const MaterializeOptions& options,
                                                const MaterializeContext& context) {
  SALVER_ASSIGN(ExecutionPlan plan, FeatureBuilder(snapshot).Latest(view, range));
  Optimize(&plan);
  SALVER_ASSIGN(const auto rows, context.engine->Latest(plan, {.offline = context.offline}));
  MaterializeReport::View report{view.name, range, rows->rows_in_range(), 0, 0};
  MaterializeProgress progress{view.name, 0, rows->row_count(), false};
  const auto show = [&] {
    if (options.on_progress) options.on_progress(progress);
  };
  show();
  for (;;) {
    SALVER_ASSIGN(const auto batch, rows->Next());
    if (!batch) break;
    SALVER_ASSIGN(const WriteCounts counts, WriteBatch(view, batch->join_keys, batch->event_us,
                                                       batch->created_us, *batch->features, context));
    report.rows_written += counts.written;
    report.rows_older += counts.older;
    progress.rows_done += static_cast<int64_t>(batch->event_us.size());
    show();
  }
  SALVER_RETURN_NOT_OK(context.registry
                           ->Update([&](feast::core::Registry* registry) {
                             return RecordInterval(context.project, view.name, range, report.rows_written,
                                                   context.clock->NowMicros(), registry);
                           })
                           .status());
  progress.view_done = true;
  show();
  return report;
}

}  // namespace

Result<MaterializeReport> Materialize(const RegistrySnapshot& snapshot, const MaterializeOptions& options,
                                      const MaterializeContext& context) {
  if (options.start_us && !options.disable_event_timestamp && *options.start_us > options.end_us) {
    return Status::InvalidArgument("the start " + FormatTime(*options.start_us) + " is after the end " +
                                       FormatTime(options.end_us) + ". Swap them.",
                                   Reason::kBadTimeRange);
  }
  SALVER_ASSIGN(const auto views, ChooseViews(snapshot, options.views));
  MaterializeReport report;
  for (const ViewPtr& view : views) {
    const TimeInterval range = RangeOf(*view, options, context.clock->NowMicros());
    if (range.start_us > range.end_us) {  // incremental, and all of it is there
      report.views.push_back({view->name, {range.end_us, range.end_us}, 0, 0, 0});
      continue;
    }
    SALVER_ASSIGN(auto done, MaterializeView(snapshot, *view, range, options, context));
    report.views.push_back(std::move(done));
  }
  return report;
}

Result<ViewRows> PrepareRows(std::shared_ptr<const FeatureView> of_view, const arrow::Table& rows) {
  const FeatureView& view = *of_view;
  ViewRows prepared{std::move(of_view), {}, {}, {}, nullptr};
  const DataSource* source = view.batch_source    ? &*view.batch_source
                             : view.stream_source ? &*view.stream_source
                                                  : nullptr;
  if (source == nullptr) {
    return Status::FailedPrecondition(
        "feature view \"" + view.name + "\" has no source, so rows for it have no event time column.",
        Reason::kBadSource);
  }
  const std::string what = "rows for feature view \"" + view.name + "\", column \"";
  std::vector<std::string> missing;
  const auto find = [&](const std::string& name) {
    auto column = rows.GetColumnByName(name);
    if (column == nullptr) column = rows.GetColumnByName(SourceColumn(*source, name));
    if (column == nullptr) missing.push_back(name);
    return column;
  };
  std::vector<std::shared_ptr<arrow::ChunkedArray>> keys, features;
  for (const Field& key : view.join_keys) keys.push_back(find(key.name));
  for (const Field& feature : view.features) features.push_back(find(feature.name));
  const auto times = find(source->timestamp_field);
  if (!missing.empty()) {
    std::string text = "rows for feature view \"" + view.name + "\" lack";
    for (size_t i = 0; i < missing.size(); ++i) text += (i > 0 ? ", \"" : " \"") + missing[i] + "\"";
    return Status::InvalidArgument(text + ". Give every join key, every feature and the event time.",
                                   Reason::kMissingColumns);
  }
  std::vector<std::shared_ptr<arrow::Array>> feature_arrays;
  arrow::FieldVector fields;
  for (size_t i = 0; i < keys.size(); ++i) {
    SALVER_ASSIGN(auto array, CastColumn(*keys[i], view.join_keys[i], what + view.join_keys[i].name + "\""));
    for (int64_t row = 0; row < array->length(); ++row) {
      if (!array->IsNull(row)) continue;
      return Status::InvalidArgument(what + view.join_keys[i].name + "\", row " + std::to_string(row) +
                                         " is null. A row needs its join key.",
                                     Reason::kNullJoinKey);
    }
    prepared.join_keys.push_back(std::move(array));
  }
  for (size_t i = 0; i < features.size(); ++i) {
    SALVER_ASSIGN(auto array,
                  CastColumn(*features[i], view.features[i], what + view.features[i].name + "\""));
    fields.push_back(arrow::field(view.features[i].name, array->type()));
    feature_arrays.push_back(std::move(array));
  }
  SALVER_ASSIGN(prepared.event_us, TimesOf(*times, kNoTime, what + source->timestamp_field + "\""));
  if (std::find(prepared.event_us.begin(), prepared.event_us.end(), kNoTime) != prepared.event_us.end()) {
    return Status::InvalidArgument(
        what + source->timestamp_field + "\" has a null. Every row needs its event time.",
        Reason::kBadTimestamp);
  }
  if (const auto created = rows.GetColumnByName(source->created_timestamp_column); created != nullptr) {
    SALVER_ASSIGN(prepared.created_us,
                  TimesOf(*created, kNoCreatedTime, what + source->created_timestamp_column + "\""));
  }
  prepared.features =
      arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows.num_rows(), std::move(feature_arrays));
  return prepared;
}

Status WriteRows(const ViewRows& rows, const MaterializeContext& context) {
  if (rows.event_us.empty()) return Status::OK();
  return WriteBatch(*rows.view, rows.join_keys, rows.event_us, rows.created_us, *rows.features, context)
      .status();
}

}  // namespace salver
