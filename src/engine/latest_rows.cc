#include "engine/latest_rows.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>

#include <algorithm>

#include "base/parallel.h"
#include "engine/gather.h"
#include "engine/plan_run.h"
#include "engine/scan.h"
#include "engine/window_rows.h"
#include "kernel/asof_join.h"
#include "kernel/columns.h"
#include "kernel/key_dictionary.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

// Keys and times are read first and the winners kept; Next then reads, row group by row group, the columns of
// winners.
class LocalLatestRows final : public LatestRows {
 public:
  LocalLatestRows(LatestRowsNode node, ExecutionContext context)
      : node_(std::move(node)), context_(std::move(context)), dictionary_(node_.join_keys) {}

  Status Open() {
    SALVER_ASSIGN(reader_, context_.offline->Open(node_.scan.source, Needs()));
    const std::vector<int> groups = GroupsInRange(*reader_, node_.start_us, node_.end_us);
    const size_t window =
        static_cast<size_t>(ThreadCount(context_.threads)) * 2;  // row groups in memory at once
    std::vector<ScannedRows> scanned(std::min(window, groups.size()));
    for (size_t first = 0; first < groups.size(); first += window) {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      const size_t count = std::min(window, groups.size() - first);
      SALVER_RETURN_NOT_OK(ParallelFor(count, context_.threads, [&](size_t i) {
        return ScanKeysAndTimes(reader_.get(), node_.scan, node_.join_keys, groups[first + i], &scanned[i]);
      }));
      for (size_t i = 0; i < count; ++i) KeepNewest(scanned[i]);
    }
    // In order of the source, so that reading goes forward.
    std::erase_if(winners_, [](const Winner& winner) { return winner.position < 0; });
    std::sort(winners_.begin(), winners_.end(),
              [](const Winner& a, const Winner& b) { return a.position < b.position; });
    return Status::OK();
  }

  int64_t rows_in_range() const override { return rows_in_range_; }
  int64_t rows_without_key() const override { return rows_without_key_; }
  int64_t row_count() const override { return static_cast<int64_t>(winners_.size()); }

  Result<std::optional<LatestRowsBatch>> Next() override {
    if (next_ == winners_.size()) return std::optional<LatestRowsBatch>();
    SALVER_RETURN_NOT_OK(CheckCancelled(context_));
    LatestRowsBatch batch;
    std::vector<int64_t> positions;
    for (const size_t end = BatchEnd(); next_ < end; ++next_) {
      positions.push_back(winners_[next_].position);
      batch.event_us.push_back(winners_[next_].event_us);
      if (!node_.scan.created_column.empty()) batch.created_us.push_back(winners_[next_].created_us);
    }
    SALVER_RETURN_NOT_OK(Fill(positions, &batch));
    return std::optional<LatestRowsBatch>(std::move(batch));
  }

 private:
  struct Winner {
    int64_t position = -1, event_us = 0, created_us = kNoCreatedTime;
  };

  void KeepNewest(const ScannedRows& rows) {
    const auto ids = dictionary_.Add(rows.keys, static_cast<int64_t>(rows.event_us.size()));
    winners_.resize(static_cast<size_t>(dictionary_.size()));
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
        winner = {rows.first_position + static_cast<int64_t>(i), event, created};
      }
    }
  }

  SourceNeeds Needs() const {
    SourceNeeds needs{.columns = {node_.scan.event_column},
                      .min_event_us = node_.start_us,
                      .max_event_us = node_.end_us,
                      .cancelled = context_.cancelled};
    if (!node_.scan.created_column.empty()) needs.columns.push_back(node_.scan.created_column);
    for (const Field& key : node_.join_keys) needs.columns.push_back(key.name);
    for (const Field& feature : node_.features) needs.columns.push_back(feature.name);
    return needs;
  }

  // Whole row groups, so that none is read twice, until there are enough rows.
  size_t BatchEnd() const {
    constexpr size_t kBatchRows = 64 * 1024;
    int64_t group_end = 0;
    size_t group = 0, end = next_;
    while (end < winners_.size() && end - next_ < kBatchRows) {
      while (group_end <= winners_[end].position) group_end += reader_->row_groups()[group++].rows;
      while (end < winners_.size() && winners_[end].position < group_end) ++end;
    }
    return end;
  }

  Status Fill(const std::vector<int64_t>& positions, LatestRowsBatch* batch) {
    std::vector<Field> fields = node_.join_keys;
    fields.insert(fields.end(), node_.features.begin(), node_.features.end());
    std::vector<std::string> columns;
    for (const Field& field : fields) columns.push_back(field.name);
    SALVER_ASSIGN(auto gathered, GatherColumns(reader_.get(), columns, positions, context_.threads));
    arrow::FieldVector schema;
    std::vector<std::shared_ptr<arrow::Array>> features;
    for (size_t i = 0; i < fields.size(); ++i) {
      SALVER_ASSIGN(auto column, CastColumn(arrow::ChunkedArray(std::move(gathered[i])), fields[i],
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

  const LatestRowsNode node_;
  const ExecutionContext context_;
  std::unique_ptr<SourceReader> reader_;
  KeyDictionary dictionary_;
  std::vector<Winner> winners_;  // by id while scanning, then in source order
  size_t next_ = 0;
  int64_t rows_in_range_ = 0, rows_without_key_ = 0;
};

}  // namespace

Result<std::unique_ptr<LatestRows>> ReadLatestRows(const LatestRowsNode& node,
                                                   const ExecutionContext& context) {
  if (!node.aggregates.empty()) return ReadWindowRows(node, context);
  auto rows = std::make_unique<LocalLatestRows>(node, context);
  SALVER_RETURN_NOT_OK(rows->Open());
  return std::unique_ptr<LatestRows>(std::move(rows));
}

}  // namespace salver
