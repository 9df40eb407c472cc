// Rows that a caller hands over: checked, in the types of the view, written at once.
#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>

#include "kernel/columns.h"
#include "kernel/no_time.h"
#include "materialize/materialize.h"
#include "plan/feature_columns.h"
#include "salver/entity_key.h"

namespace salver {
namespace {

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

}  // namespace

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
