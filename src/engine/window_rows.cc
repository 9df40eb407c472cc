#include "engine/window_rows.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>

#include <algorithm>

#include "base/parallel.h"
#include "engine/gather.h"
#include "engine/plan_run.h"
#include "engine/scan.h"
#include "engine/window_features.h"
#include "kernel/columns.h"

namespace salver {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

class WindowRows final : public LatestRows {
 public:
  WindowRows(LatestRowsNode node, ExecutionContext context)
      : node_(std::move(node)), context_(std::move(context)), dictionary_(node_.join_keys) {}

  Status Open() {
    const int64_t longest = LongestWindow(node_.aggregates);
    const int64_t first_us = WindowStart(std::min(node_.start_us, node_.end_us), longest);
    SALVER_ASSIGN(const auto reader, context_.offline->Open(node_.scan.source, Needs(first_us)));
    SALVER_RETURN_NOT_OK(ReadKeys(reader.get(), first_us));
    dictionary_.Seal();
    const std::vector<int32_t> ids = SeenKeys();
    const std::vector<int64_t> times(ids.size(), node_.end_us);
    const WindowSource source{.reader = reader.get(),
                              .scan = &node_.scan,
                              .keys = node_.join_keys,
                              .min_us = WindowStart(node_.end_us, longest),
                              .max_us = node_.end_us};
    WindowWork work;
    SALVER_ASSIGN(features_, AggregateFeatures(source, dictionary_, {ids, times}, /*created_cut=*/false,
                                               node_.aggregates, context_, &work));
    return GatherKeys(reader.get());
  }

  int64_t rows_in_range() const override { return rows_in_range_; }
  int64_t rows_without_key() const override { return rows_without_key_; }
  int64_t row_count() const override { return static_cast<int64_t>(first_positions_.size()); }

  size_t batch_count() const override {
    return static_cast<size_t>((row_count() + kBatchRows - 1) / kBatchRows);
  }
  std::string source_version() const override { return ""; }

  Result<LatestRowsBatch> Read(size_t batch_number) override {
    SALVER_RETURN_NOT_OK(CheckCancelled(context_));
    const int64_t first = static_cast<int64_t>(batch_number) * kBatchRows;
    const int64_t count = std::min(kBatchRows, row_count() - first);
    LatestRowsBatch batch;
    batch.event_us.assign(static_cast<size_t>(count), node_.end_us);
    for (const ArrayPtr& key : keys_) batch.join_keys.push_back(key->Slice(first, count));
    arrow::FieldVector fields;
    std::vector<ArrayPtr> features;
    for (size_t i = 0; i < features_.size(); ++i) {
      features.push_back(features_[i]->Slice(first, count));
      fields.push_back(arrow::field(node_.features[i].name, features.back()->type()));
    }
    batch.features = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), count, std::move(features));
    return batch;
  }

 private:
  static constexpr int64_t kBatchRows = 64 * 1024;

  SourceNeeds Needs(int64_t first_us) const {
    SourceNeeds needs{.columns = {node_.scan.event_column},
                      .min_event_us = first_us,
                      .max_event_us = node_.end_us,
                      .cancelled = context_.cancelled};
    if (!node_.scan.created_column.empty()) needs.columns.push_back(node_.scan.created_column);
    for (const Field& key : node_.join_keys) needs.columns.push_back(key.name);
    for (const auto& column : node_.aggregates) needs.columns.push_back(column.output.source_column);
    return needs;
  }

  // Numbers the keys, and keeps where each was seen first.
  Status ReadKeys(SourceReader* reader, int64_t first_us) {
    const std::vector<int> groups = GroupsInRange(*reader, first_us, node_.end_us);
    const size_t window = static_cast<size_t>(ThreadCount(context_.threads)) * 2;  // row groups in memory
    std::vector<ScannedRows> scanned(std::min(window, groups.size()));
    for (size_t first = 0; first < groups.size(); first += window) {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      const size_t count = std::min(window, groups.size() - first);
      SALVER_RETURN_NOT_OK(ParallelFor(count, context_.threads, [&](size_t i) {
        return ScanKeysAndTimes(reader, node_.scan, node_.join_keys, groups[first + i], &scanned[i]);
      }));
      for (size_t i = 0; i < count; ++i) AddKeys(scanned[i], first_us);
    }
    return Status::OK();
  }

  // Keys of rows outside the range are numbered too, so that it is done a row group at a time, but get no
  // row.
  void AddKeys(const ScannedRows& rows, int64_t first_us) {
    const auto ids = dictionary_.Add(rows.keys, static_cast<int64_t>(rows.event_us.size()));
    first_positions_.resize(static_cast<size_t>(dictionary_.size()), -1);
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t event = rows.event_us[i];
      if (event < first_us || event > node_.end_us) continue;
      if (ids[i] < 0) {
        ++rows_without_key_;
        continue;
      }
      ++rows_in_range_;
      int64_t& position = first_positions_[static_cast<size_t>(ids[i])];
      if (position < 0) position = rows.first_position + static_cast<int64_t>(i);
    }
  }

  // The ids that a row in the range has; first_positions_ is theirs from then on.
  std::vector<int32_t> SeenKeys() {
    std::vector<int32_t> ids;
    for (size_t id = 0; id < first_positions_.size(); ++id) {
      if (first_positions_[id] >= 0) ids.push_back(static_cast<int32_t>(id));
    }
    std::erase(first_positions_, -1);
    return ids;
  }

  Status GatherKeys(SourceReader* reader) {
    std::vector<std::string> columns;
    for (const Field& key : node_.join_keys) columns.push_back(key.name);
    SALVER_ASSIGN(const auto gathered, GatherColumns(reader, columns, first_positions_, context_.threads));
    for (size_t i = 0; i < columns.size(); ++i) {
      SALVER_ASSIGN(auto key, CastColumn(arrow::ChunkedArray(gathered[i]), node_.join_keys[i],
                                         "data source \"" + node_.scan.source.name + "\", column \"" +
                                             columns[i] + "\""));
      keys_.push_back(std::move(key));
    }
    return Status::OK();
  }

  const LatestRowsNode node_;
  const ExecutionContext context_;
  KeyDictionary dictionary_;
  std::vector<int64_t> first_positions_;  // by key: where a row in the range has it; -1: none
  std::vector<ArrayPtr> keys_, features_;
  int64_t rows_in_range_ = 0, rows_without_key_ = 0;
};

}  // namespace

Result<std::unique_ptr<LatestRows>> ReadWindowRows(const LatestRowsNode& node,
                                                   const ExecutionContext& context) {
  auto rows = std::make_unique<WindowRows>(node, context);
  SALVER_RETURN_NOT_OK(rows->Open());
  return std::unique_ptr<LatestRows>(std::move(rows));
}

}  // namespace salver
