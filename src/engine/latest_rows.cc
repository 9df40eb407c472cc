#include "engine/latest_rows.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <utility>

#include "base/arrow_status.h"
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

// Of the memory limit: what candidates take before they spill, what a batch may have, and what keys and times
// may take that are kept from the scan.
constexpr int64_t kCandidateShare = 4, kBatchShare = 16, kKeptShare = 16;
constexpr int64_t kBatchRowsMin = 16 * 1024, kBatchRowsMax = 512 * 1024, kStep = 4096;
constexpr size_t kSliceRows = 128 * 1024;

// Keys and times of a row group, as they were scanned.
struct KeptGroup {
  int64_t begin = 0, end = 0;                 // positions in the source
  std::vector<LargeVector<int64_t>> numbers;  // as ScannedRows has them
  LargeVector<int64_t> event_us, created_us;
};

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
    if (MayKeep(groups)) kept_.resize(groups.size());
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
      SALVER_RETURN_NOT_OK(newest_->Add(worker, rows, 0, rows.event_us.size()));
      Keep(&rows, i);
      return Status::OK();
    });
  }

  // Where there are fewer row groups than threads: one group after another, each shared out.
  Status ScanInSlices(const std::vector<int>& groups, int threads) {
    ScannedRows rows;
    for (size_t index = 0; index < groups.size(); ++index) {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      SALVER_RETURN_NOT_OK(
          ScanKeysAndTimes(reader_.get(), node_.scan, node_.join_keys, groups[index], &rows));
      const size_t count = rows.event_us.size(), slices = (count + kSliceRows - 1) / kSliceRows;
      SALVER_RETURN_NOT_OK(ParallelForWorkers(slices, threads, [&](size_t i, size_t worker) {
        return newest_->Add(worker, rows, i * kSliceRows, std::min(count, (i + 1) * kSliceRows));
      }));
      Keep(&rows, index);
    }
    return Status::OK();
  }

  // Whether keys and times of these row groups are few enough to be kept, so that they are not read twice.
  bool MayKeep(const std::vector<int>& groups) const {
    const auto is_kept = [&](const Field& key) { return IsKeyOfNumbers(*reader_, key); };
    if (!std::all_of(node_.join_keys.begin(), node_.join_keys.end(), is_kept)) return false;
    int64_t rows = 0;
    for (const int group : groups) rows += reader_->row_groups()[static_cast<size_t>(group)].rows;
    const auto columns = static_cast<int64_t>(node_.join_keys.size() + TimeColumns().size());
    const int64_t limit = context_.memory_limit_bytes / kKeptShare;
    return context_.memory_limit_bytes == 0 || rows <= limit / (columns * int64_t{sizeof(int64_t)});
  }

  void Keep(ScannedRows* rows, size_t index) {
    if (kept_.empty()) return;
    const auto count = static_cast<int64_t>(rows->event_us.size());
    kept_[index] = {rows->first_position, rows->first_position + count, std::exchange(rows->numbers, {}),
                    std::exchange(rows->event_us, {}), std::exchange(rows->created_us, {})};
    rows->keys.clear();  // they point into the numbers
  }

  // Values of the kept groups at ascending `positions`; values_of(group) are those of all its rows.
  template <typename Word, typename ValuesOf>
  void PickKept(std::span<const int64_t> positions, ValuesOf values_of, Word* to) const {
    auto group = kept_.begin();
    for (size_t i = 0; i < positions.size();) {
      while (positions[i] >= group->end) ++group;
      const Word* const values = values_of(*group);
      for (; i < positions.size() && positions[i] < group->end; ++i)
        to[i] = values[positions[i] - group->begin];
    }
  }

  // A row without a key is no newest row, so none of these is null.
  Result<std::shared_ptr<arrow::Array>> KeptKey(size_t index, std::span<const int64_t> positions) const {
    const Field& key = node_.join_keys[index];
    auto type = ArrowType(key.type, key.struct_schema());
    const auto count = static_cast<int64_t>(positions.size());
    SALVER_ASSIGN(std::shared_ptr<arrow::Buffer> values,
                  FromArrow(arrow::AllocateBuffer(count * type->byte_width()), What(key.name)));
    const auto pick = [&](auto* to) {
      using Word = std::remove_pointer_t<decltype(to)>;
      PickKept(
          positions,
          [&](const KeptGroup& group) { return reinterpret_cast<const Word*>(group.numbers[index].data()); },
          to);
    };
    if (type->byte_width() == 4) {
      pick(reinterpret_cast<uint32_t*>(values->mutable_data()));
    } else {
      pick(reinterpret_cast<uint64_t*>(values->mutable_data()));
    }
    return arrow::MakeArray(arrow::ArrayData::Make(std::move(type), count, {nullptr, std::move(values)}, 0));
  }

  Status FillKept(std::span<const int64_t> positions, LatestRowsBatch* batch) const {
    batch->event_us.resize(positions.size());
    PickKept(positions, [](const KeptGroup& group) { return group.event_us.data(); }, batch->event_us.data());
    if (!node_.scan.created_column.empty()) {
      batch->created_us.resize(positions.size());
      PickKept(
          positions, [](const KeptGroup& group) { return group.created_us.data(); },
          batch->created_us.data());
    }
    for (size_t i = 0; i < node_.join_keys.size(); ++i) {
      SALVER_ASSIGN(auto key, KeptKey(i, positions));
      batch->join_keys.push_back(std::move(key));
    }
    return Status::OK();
  }

  std::vector<std::string> TimeColumns() const {
    std::vector<std::string> columns = {node_.scan.event_column};
    if (!node_.scan.created_column.empty()) columns.push_back(node_.scan.created_column);
    return columns;
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
    const bool kept = !kept_.empty();
    if (kept) SALVER_RETURN_NOT_OK(FillKept(positions, batch));
    const std::vector<Field> fields = kept ? node_.features : Columns();
    std::vector<std::string> columns = kept ? std::vector<std::string>() : TimeColumns();
    const size_t times = columns.size();
    for (const Field& field : fields) columns.push_back(field.name);
    SALVER_ASSIGN(auto gathered, GatherColumns(reader_.get(), columns, positions, 1));
    if (times > 0) {
      SALVER_ASSIGN(batch->event_us, Times(node_.scan.event_column, std::move(gathered[0]), kNoTime));
    }
    if (times > 1) {
      SALVER_ASSIGN(batch->created_us,
                    Times(node_.scan.created_column, std::move(gathered[1]), kNoCreatedTime));
    }
    arrow::FieldVector schema;
    std::vector<std::shared_ptr<arrow::Array>> features;
    for (size_t i = 0; i < fields.size(); ++i) {
      SALVER_ASSIGN(auto column, CastColumn(arrow::ChunkedArray(std::move(gathered[times + i])), fields[i],
                                            What(fields[i].name)));
      if (!kept && i < node_.join_keys.size()) {
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
  std::vector<KeptGroup> kept_;      // the row groups in range; empty: too large, or of no numbers
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
