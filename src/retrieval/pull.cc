#include "retrieval/pull.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/nearest.h"
#include "kernel/columns.h"
#include "kernel/no_time.h"
#include "plan/feature_builder.h"
#include "plan/optimizer.h"

namespace salver {
namespace {

using BatchReader = arrow::RecordBatchReader;

// A Status of ours on its way through Arrow's interface.
arrow::Status ToArrow(const Status& status) {
  switch (status.code()) {
    case StatusCode::kCancelled:
      return arrow::Status::Cancelled(status.message());
    case StatusCode::kResourceExhausted:
      return arrow::Status::OutOfMemory(status.message());
    case StatusCode::kUnavailable:
    case StatusCode::kNotFound:
    case StatusCode::kDataLoss:
      return arrow::Status::IOError(status.message());
    default:
      return arrow::Status::Invalid(status.message());
  }
}

std::shared_ptr<arrow::DataType> Micros() {
  return ArrowType(ValueType::kUnixTimestamp, "");
}

// The source by name: of a view if one reads it, as that one knows its columns' types.
Result<DataSource> FindSource(const RegistrySnapshot& snapshot, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& view : snapshot.views()) {
    if (view->batch_source && view->batch_source->name == name) return *view->batch_source;
  }
  for (const auto& source : snapshot.data_sources()) {
    if (source->name == name) return source->batch_source != nullptr ? *source->batch_source : *source;
    names.push_back(source->name);
  }
  return Status::NotFound("data source \"" + name + "\" is not in project \"" + snapshot.project() + "\"." +
                              NearestNameHint(name, names),
                          Reason::kObjectNotFound);
}

// Columns that are asked for, all others where none is.
std::vector<std::string> FeaturesOf(const PullRequest& request, const DataSource& source,
                                    const arrow::Schema& schema) {
  if (!request.features.empty()) return request.features;
  std::vector<std::string> features;
  for (const std::string& name : schema.field_names()) {
    const bool is_key =
        std::find(request.join_keys.begin(), request.join_keys.end(), name) != request.join_keys.end();
    if (!is_key && name != source.timestamp_field && name != source.created_timestamp_column)
      features.push_back(name);
  }
  return features;
}

Status CheckColumns(const std::vector<std::string>& columns, const arrow::Schema& schema,
                    const DataSource& source) {
  for (const std::string& column : columns) {
    if (schema.GetFieldIndex(column) >= 0) continue;
    return Status::InvalidArgument("data source \"" + source.name + "\" (" + source.location() +
                                       ") has no column \"" + column + "\"." +
                                       NearestNameHint(column, schema.field_names()),
                                   Reason::kMissingColumns);
  }
  return Status::OK();
}

Result<std::vector<Field>> FieldsOf(const std::vector<std::string>& columns, const arrow::Schema& schema,
                                    const DataSource& source) {
  std::vector<Field> fields;
  for (const std::string& column : columns) {
    SALVER_ASSIGN(const ValueType type, ValueTypeOfArrow(*schema.GetFieldByName(column)->type()));
    const auto declared = source.column_types.find(column);
    fields.push_back(
        {.name = column, .type = declared == source.column_types.end() ? type : declared->second});
  }
  return fields;
}

class LatestStream final : public BatchReader {
 public:
  // `source`: the columns as they are there, whose nested types the rows have.
  LatestStream(std::unique_ptr<LatestRows> rows, const FeatureView& view, const arrow::Schema& source,
               RetrievalContext context)
      : context_(std::move(context)), rows_(std::move(rows)) {
    arrow::FieldVector fields;
    for (const auto* list : {&view.join_keys, &view.features}) {
      for (const Field& field : *list) {
        const auto& there = source.GetFieldByName(field.name)->type();
        fields.push_back(arrow::field(
            field.name, there->num_fields() > 0 ? there : ArrowType(field.type, field.struct_schema())));
      }
    }
    const auto micros = Micros();
    fields.push_back(arrow::field(view.batch_source->timestamp_field, micros));
    has_created_ = !view.batch_source->created_timestamp_column.empty();
    if (has_created_) fields.push_back(arrow::field(view.batch_source->created_timestamp_column, micros));
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    auto next = rows_->Next();
    if (!next.ok()) return ToArrow(next.status());
    if (!next->has_value()) return arrow::Status::OK();
    LatestRowsBatch& rows = **next;
    std::vector<std::shared_ptr<arrow::Array>> columns = rows.join_keys;
    for (const auto& column : rows.features->columns()) columns.push_back(column);
    ARROW_ASSIGN_OR_RAISE(auto events, Times(rows.event_us));
    columns.push_back(std::move(events));
    if (has_created_) {
      ARROW_ASSIGN_OR_RAISE(auto created, Times(rows.created_us));
      columns.push_back(std::move(created));
    }
    *batch =
        arrow::RecordBatch::Make(schema_, static_cast<int64_t>(rows.event_us.size()), std::move(columns));
    return arrow::Status::OK();
  }

 private:
  static arrow::Result<std::shared_ptr<arrow::Array>> Times(const std::vector<int64_t>& times) {
    arrow::TimestampBuilder builder(Micros(), arrow::default_memory_pool());
    for (const int64_t time : times)
      ARROW_RETURN_NOT_OK(time == kNoTime ? builder.AppendNull() : builder.Append(time));
    return builder.Finish();
  }

  const RetrievalContext context_;  // what the rows are read with
  const std::unique_ptr<LatestRows> rows_;
  std::shared_ptr<arrow::Schema> schema_;
  bool has_created_ = false;
};

class AllStream final : public BatchReader {
 public:
  AllStream(std::unique_ptr<SourceReader> reader, std::vector<std::string> columns, std::string event_column,
            TimeInterval range, std::shared_ptr<OfflineStore> offline)
      : offline_(std::move(offline)),
        reader_(std::move(reader)),
        columns_(std::move(columns)),
        event_column_(std::move(event_column)),
        range_(range) {
    arrow::FieldVector fields;
    for (const std::string& column : columns_) fields.push_back(reader_->schema()->GetFieldByName(column));
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    while (next_ < static_cast<int>(reader_->row_groups().size())) {
      const RowGroup& group = reader_->row_groups()[static_cast<size_t>(next_++)];
      const bool outside = (group.max_event_us && *group.max_event_us < range_.start_us) ||
                           (group.min_event_us && *group.min_event_us > range_.end_us);
      if (outside || group.rows == 0) continue;
      auto read = ReadGroup(next_ - 1);
      if (!read.ok()) return ToArrow(read.status());
      if ((*read)->num_rows() == 0) continue;
      return (*read)->CombineChunksToBatch().Value(batch);
    }
    return arrow::Status::OK();
  }

 private:
  Result<std::shared_ptr<arrow::Table>> ReadGroup(int group) {
    const std::string what = "column \"" + event_column_ + "\"";
    SALVER_ASSIGN(auto table, reader_->Read(std::span(&group, 1), columns_));
    if (range_.start_us == INT64_MIN && range_.end_us == INT64_MAX) return table;
    SALVER_ASSIGN(const auto times, TimesOf(*table->GetColumnByName(event_column_), kNoTime, what));
    arrow::Int64Builder inside;
    for (size_t row = 0; row < times.size(); ++row) {
      if (times[row] == kNoTime || times[row] < range_.start_us || times[row] > range_.end_us) continue;
      SALVER_RETURN_NOT_OK(FromArrow(inside.Append(static_cast<int64_t>(row)), what));
    }
    if (inside.length() == table->num_rows()) return table;
    SALVER_ASSIGN(const auto rows, FromArrow(inside.Finish(), what));
    SALVER_ASSIGN(const auto taken,
                  FromArrow(arrow::compute::Take(arrow::Datum(table), arrow::Datum(rows)), what));
    return taken.table();
  }

  const std::shared_ptr<OfflineStore> offline_;  // what the reader reads with
  const std::unique_ptr<SourceReader> reader_;
  const std::vector<std::string> columns_;
  const std::string event_column_;
  const TimeInterval range_;
  std::shared_ptr<arrow::Schema> schema_;
  int next_ = 0;
};

}  // namespace

Result<std::shared_ptr<BatchReader>> PullLatest(const RegistrySnapshot& snapshot, const PullRequest& request,
                                                const RetrievalContext& context) {
  FeatureView view{.name = request.source};
  SALVER_ASSIGN(view.batch_source, FindSource(snapshot, request.source));
  const DataSource& source = *view.batch_source;
  SALVER_ASSIGN(const auto schema, context.offline->ReadSchema(source));
  const auto features = FeaturesOf(request, source, *schema);
  SALVER_RETURN_NOT_OK(CheckColumns(request.join_keys, *schema, source));
  SALVER_RETURN_NOT_OK(CheckColumns(features, *schema, source));
  SALVER_ASSIGN(view.join_keys, FieldsOf(request.join_keys, *schema, source));
  SALVER_ASSIGN(view.features, FieldsOf(features, *schema, source));
  view.batch_source->field_mapping.clear();  // columns are asked for by the names of the source
  const TimeInterval range{request.start_us.value_or(kNoTime + 1), request.end_us.value_or(INT64_MAX)};
  SALVER_ASSIGN(ExecutionPlan plan, FeatureBuilder(snapshot).Latest(view, range));
  if (context.optimize) Optimize(&plan);
  SALVER_ASSIGN(auto rows, context.engine->Latest(plan, {.offline = context.offline.get(),
                                                         .threads = context.threads,
                                                         .memory_limit_bytes = context.memory_limit_bytes,
                                                         .spill_folder = context.spill_folder}));
  return std::shared_ptr<BatchReader>(new LatestStream(std::move(rows), view, *schema, context));
}

Result<std::shared_ptr<BatchReader>> PullAllOf(const DataSource& source, const PullRequest& request,
                                               const RetrievalContext& context) {
  SALVER_ASSIGN(const auto schema, context.offline->ReadSchema(source));
  std::vector<std::string> columns;
  if (request.join_keys.empty() && request.features.empty()) {
    columns = schema->field_names();
  } else {
    columns = request.join_keys;
    for (const std::string& feature : FeaturesOf(request, source, *schema)) columns.push_back(feature);
    for (const std::string& time : {source.timestamp_field, source.created_timestamp_column}) {
      if (!time.empty() && std::find(columns.begin(), columns.end(), time) == columns.end())
        columns.push_back(time);
    }
  }
  SALVER_RETURN_NOT_OK(CheckColumns(columns, *schema, source));
  const TimeInterval range{request.start_us.value_or(INT64_MIN), request.end_us.value_or(INT64_MAX)};
  SALVER_ASSIGN(auto reader, context.offline->Open(source, {.columns = columns,
                                                            .min_event_us = range.start_us,
                                                            .max_event_us = range.end_us}));
  return std::shared_ptr<BatchReader>(
      new AllStream(std::move(reader), std::move(columns), source.timestamp_field, range, context.offline));
}

Result<std::shared_ptr<BatchReader>> PullAll(const RegistrySnapshot& snapshot, const PullRequest& request,
                                             const RetrievalContext& context) {
  SALVER_ASSIGN(const DataSource source, FindSource(snapshot, request.source));
  return PullAllOf(source, request, context);
}

}  // namespace salver
