#include "engine/latest_rows.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>

#include <algorithm>

#include "base/parallel.h"
#include "engine/gather.h"
#include "engine/newest_rows.h"
#include "engine/plan_run.h"
#include "engine/scan.h"
#include "engine/window_rows.h"
#include "kernel/columns.h"
#include "kernel/no_time.h"
#include "salver/online_store.h"

namespace salver {
namespace {

// Of the memory limit: what candidates take before they spill, and what a batch may have.
constexpr int64_t kCandidateShare = 4, kBatchShare = 16;
constexpr int64_t kBatchRowsMin = 16 * 1024, kBatchRowsMax = 512 * 1024, kStep = 4096;
constexpr size_t kSliceRows = 128 * 1024;

class LocalLatestRows final : public LatestRows {
 public:
  LocalLatestRows(std::unique_ptr<SourceReader> reader, LatestRowsNode node, ExecutionContext context)
      : node_(std::move(node)), context_(std::move(context)), reader_(std::move(reader)) {}

  Status Open() {
    const int64_t positions = RowGroupStarts(*reader_).back();
    const int threads = ThreadCount(context_.threads);
    newest_ = std::make_unique<NewestRows>(
        positions, NewestRows::Options{node_.start_us, node_.end_us, threads, CandidateMemory(),
                                       context_.spill_folder, context_.files});
    const std::vector<int> groups = GroupsInRange(*reader_, node_.start_us, node_.end_us);
    SALVER_RETURN_NOT_OK(groups.size() < static_cast<size_t>(threads) ? ScanInSlices(groups, threads)
                                                                      : ScanGroups(groups, threads));
    SALVER_RETURN_NOT_OK(newest_->Finish(context_.threads));
    CutBatches(positions);
    return Status::OK();
  }

  int64_t rows_in_range() const override { return newest_->rows_in_range(); }
  int64_t rows_without_key() const override { return newest_->rows_without_key(); }
  int64_t row_count() const override { return newest_->count(); }
  size_t batch_count() const override { return batch_ends_.size(); }
  std::string source_version() const override { return reader_->Version(); }

  Result<LatestRowsBatch> Read(size_t i) override {
    SALVER_RETURN_NOT_OK(CheckCancelled(context_));
    LatestRowsBatch batch;
    std::vector<int64_t> positions;
    newest_->AppendPositions(i == 0 ? 0 : batch_ends_[i - 1], batch_ends_[i], &positions);
    SALVER_RETURN_NOT_OK(Fill(positions, &batch));
    return batch;
  }

 private:
  Status ScanGroups(const std::vector<int>& groups, int threads) {
    std::vector<ScannedRows> scanned(static_cast<size_t>(threads));
    return ParallelForWorkers(groups.size(), threads, [&](size_t i, size_t worker) -> Status {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      ScannedRows& rows = scanned[worker];
      SALVER_RETURN_NOT_OK(ScanKeysAndTimes(reader_.get(), node_.scan, node_.join_keys, groups[i], &rows));
      return newest_->Add(worker, rows, 0, rows.event_us.size());
    });
  }

  // Where there are fewer row groups than threads: one group after another, each shared out.
  Status ScanInSlices(const std::vector<int>& groups, int threads) {
    ScannedRows rows;
    for (const int group : groups) {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      SALVER_RETURN_NOT_OK(ScanKeysAndTimes(reader_.get(), node_.scan, node_.join_keys, group, &rows));
      const size_t count = rows.event_us.size(), slices = (count + kSliceRows - 1) / kSliceRows;
      SALVER_RETURN_NOT_OK(ParallelForWorkers(slices, threads, [&](size_t i, size_t worker) {
        return newest_->Add(worker, rows, i * kSliceRows, std::min(count, (i + 1) * kSliceRows));
      }));
    }
    return Status::OK();
  }

  int64_t CandidateMemory() const {
    if (context_.memory_limit_bytes == 0) return 0;
    return std::max<int64_t>(1, context_.memory_limit_bytes / kCandidateShare);
  }

  std::vector<Field> Columns() const {
    std::vector<Field> fields = node_.join_keys;
    fields.insert(fields.end(), node_.features.begin(), node_.features.end());
    return fields;
  }

  // Stretches of the source with about as many newest rows as a batch may have. A row group with columns that
  // can only be read whole is not cut.
  void CutBatches(int64_t positions) {
    const std::vector<Field> columns = Columns();
    const bool cut_groups = std::all_of(columns.begin(), columns.end(), [&](const Field& field) {
      return reader_->IsFixedWidth(field.name);
    });
    const int64_t row_bytes = static_cast<int64_t>(columns.size() + 2) * 9;
    const int64_t limit = context_.memory_limit_bytes / kBatchShare / row_bytes;
    const int64_t wanted =
        context_.memory_limit_bytes == 0 ? kBatchRowsMax : std::clamp(limit, kBatchRowsMin, kBatchRowsMax);
    const std::vector<int64_t> groups = RowGroupStarts(*reader_);
    int64_t rows = 0;
    for (int64_t at = 0; at < positions;) {
      int64_t end = std::min(at + kStep, positions);
      rows += newest_->CountIn(at, end);
      if (rows >= wanted && !cut_groups) {
        const int64_t whole = *std::lower_bound(groups.begin(), groups.end(), end);
        rows += newest_->CountIn(end, whole);
        end = whole;
      }
      if (rows > 0 && (rows >= wanted || end == positions)) {
        batch_ends_.push_back(end);
        rows = 0;
      }
      at = end;
    }
    if (rows > 0) batch_ends_.push_back(positions);
  }

  std::string What(const std::string& column) const {
    return "data source \"" + node_.scan.source.name + "\", column \"" + column + "\"";
  }

  Status Fill(const std::vector<int64_t>& positions, LatestRowsBatch* batch) {
    const std::vector<Field> fields = Columns();
    std::vector<std::string> columns = {node_.scan.event_column};
    if (!node_.scan.created_column.empty()) columns.push_back(node_.scan.created_column);
    const size_t times = columns.size();
    for (const Field& field : fields) columns.push_back(field.name);
    SALVER_ASSIGN(auto gathered, GatherColumns(reader_.get(), columns, positions, 1));
    SALVER_ASSIGN(batch->event_us, Times(node_.scan.event_column, std::move(gathered[0]), kNoTime));
    if (times > 1) {
      SALVER_ASSIGN(batch->created_us,
                    Times(node_.scan.created_column, std::move(gathered[1]), kNoCreatedTime));
    }
    arrow::FieldVector schema;
    std::vector<std::shared_ptr<arrow::Array>> features;
    for (size_t i = 0; i < fields.size(); ++i) {
      SALVER_ASSIGN(auto column, CastColumn(arrow::ChunkedArray(std::move(gathered[times + i])), fields[i],
                                            What(fields[i].name)));
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

  Result<std::vector<int64_t>> Times(const std::string& column, std::shared_ptr<arrow::Array> values,
                                     int64_t null_value) const {
    SALVER_ASSIGN(const auto times,
                  TimesOf(arrow::ChunkedArray(std::move(values)), null_value, What(column)));
    return std::vector<int64_t>(times.begin(), times.end());
  }

  const LatestRowsNode node_;
  const ExecutionContext context_;
  const std::unique_ptr<SourceReader> reader_;
  std::unique_ptr<NewestRows> newest_;
  std::vector<int64_t> batch_ends_;  // positions in the source
};

}  // namespace

Result<std::unique_ptr<LatestRows>> ReadLatestRows(std::unique_ptr<SourceReader> reader,
                                                   const LatestRowsNode& node,
                                                   const ExecutionContext& context) {
  auto rows = std::make_unique<LocalLatestRows>(std::move(reader), node, context);
  SALVER_RETURN_NOT_OK(rows->Open());
  return std::unique_ptr<LatestRows>(std::move(rows));
}

Result<std::unique_ptr<LatestRows>> ReadLatestRows(const LatestRowsNode& node,
                                                   const ExecutionContext& context) {
  if (!node.aggregates.empty()) return ReadWindowRows(node, context);
  SourceNeeds needs{.columns = {node.scan.event_column},
                    .min_event_us = node.start_us,
                    .max_event_us = node.end_us,
                    .cancelled = context.cancelled};
  if (!node.scan.created_column.empty()) needs.columns.push_back(node.scan.created_column);
  for (const Field& key : node.join_keys) needs.columns.push_back(key.name);
  for (const Field& feature : node.features) needs.columns.push_back(feature.name);
  SALVER_ASSIGN(auto reader, context.offline->Open(node.scan.source, needs));
  return ReadLatestRows(std::move(reader), node, context);
}

}  // namespace salver
