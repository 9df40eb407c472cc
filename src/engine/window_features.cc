#include "engine/window_features.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/parallel.h"
#include "engine/gather.h"
#include "engine/plan_run.h"
#include "engine/scan.h"
#include "kernel/columns.h"

namespace salver {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

class WindowRun {
 public:
  WindowRun(const WindowSource& source, const KeyDictionary& dictionary, const ExecutionContext& context,
            WindowWork* work)
      : source_(source),
        dictionary_(dictionary),
        context_(context),
        work_(work),
        groups_(GroupsInRange(*source.reader, source.min_us, source.max_us)) {}

  Result<std::vector<ArrayPtr>> Run(const WindowLabels& labels, bool created_cut,
                                    std::span<const AggregateNode::Column> columns) {
    SALVER_RETURN_NOT_OK(Timed(&work_->index_us, [&] { return ReadRuns(); }));
    SALVER_RETURN_NOT_OK(Timed(&work_->read_us, [&] { return ReadValues(columns); }));
    std::vector<std::vector<ArrayPtr>> answers;
    SALVER_RETURN_NOT_OK(Timed(&work_->aggregate_us, [&]() -> Status {
      SALVER_ASSIGN(answers, AggregateWindows(runs_, values_, labels,
                                              {created_cut, context_.threads, context_.cancelled}));
      return Status::OK();
    }));
    std::vector<ArrayPtr> arrays;
    for (size_t i = 0; i < columns.size(); ++i) {
      Field field = columns[i].output.field;
      ArrayPtr& answer = answers[places_[i].first][places_[i].second];
      if (const auto type = ValueTypeOfArrow(*answer->type()); field.type == ValueType::kInvalid && type.ok())
        field.type = *type;  // registered without one
      SALVER_ASSIGN(auto array, CastColumn(arrow::ChunkedArray(std::move(answer)), field,
                                           "feature \"" + field.name + "\", " + columns[i].function + " of " +
                                               What(columns[i].output.source_column)));
      arrays.push_back(std::move(array));
    }
    return arrays;
  }

 private:
  template <typename Step>
  static Status Timed(int64_t* micros, const Step& step) {
    const auto start = std::chrono::steady_clock::now();
    const Status status = step();
    *micros = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
                  .count();
    return status;
  }

  std::string What(const std::string& column) const {
    return "data source \"" + source_.scan->source.name + "\", column \"" + column + "\"";
  }

  // Keys and times, of rows that a window can hold.
  Status ReadRuns() {
    struct Memory {
      ScannedRows rows;
      std::vector<int32_t> ids;
    };
    std::vector<Memory> memory(static_cast<size_t>(ThreadCount(context_.threads)));
    std::vector<BuildRows> parts(groups_.size());
    SALVER_RETURN_NOT_OK(
        ParallelForWorkers(groups_.size(), context_.threads, [&](size_t i, size_t worker) -> Status {
          SALVER_RETURN_NOT_OK(CheckCancelled(context_));
          auto& [rows, ids] = memory[worker];
          SALVER_RETURN_NOT_OK(
              ScanKeysAndTimes(source_.reader, *source_.scan, source_.keys, groups_[i], &rows));
          dictionary_.Find(rows.keys, static_cast<int64_t>(rows.event_us.size()), &ids);
          parts[i] = RowsInRange(rows, ids);
          return Status::OK();
        }));
    memory.clear();
    SALVER_ASSIGN(runs_, KeyRuns::Make(parts, dictionary_.size(), context_.threads));
    work_->rows_kept = static_cast<int64_t>(runs_.row_count());
    return Status::OK();
  }

  BuildRows RowsInRange(const ScannedRows& rows, std::span<const int32_t> ids) const {
    BuildRows kept{.first_position = rows.first_position};
    const auto wanted = [&](size_t row) {
      return ids[row] >= 0 && rows.event_us[row] >= source_.min_us && rows.event_us[row] <= source_.max_us &&
             rows.event_us[row] != kNoTime;
    };
    size_t count = 0;
    for (size_t row = 0; row < ids.size(); ++row) count += wanted(row);
    kept.keys.reserve(count);
    kept.event_us.reserve(count);
    kept.rows.reserve(count);
    if (!rows.created_us.empty()) kept.created_us.reserve(count);
    for (size_t row = 0; row < ids.size(); ++row) {
      if (!wanted(row)) continue;
      kept.keys.push_back(ids[row]);
      kept.event_us.push_back(rows.event_us[row]);
      if (!rows.created_us.empty()) kept.created_us.push_back(rows.created_us[row]);
      kept.rows.push_back(static_cast<uint32_t>(row));
    }
    return kept;
  }

  // The columns that are aggregated, each once, in the order of the runs.
  Status ReadValues(std::span<const AggregateNode::Column> columns) {
    std::vector<std::string> names;
    for (const AggregateNode::Column& column : columns) {
      const std::string& name = column.output.source_column;
      const size_t at = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
      if (at == names.size()) {
        names.push_back(name);
        values_.push_back({What(name), nullptr, {}});
      }
      SALVER_ASSIGN(const AggregateKind kind, AggregateKindNamed(column.function));
      places_.emplace_back(at, values_[at].functions.size());
      values_[at].functions.push_back({kind, column.window_us});
    }
    work_->row_groups = static_cast<int>(groups_.size());
    for (const int group : groups_) {
      for (const std::string& name : names) {
        SALVER_ASSIGN(const int64_t bytes, source_.reader->ColumnBytes(group, name));
        work_->bytes += bytes;
      }
    }
    SALVER_ASSIGN(auto arrays, GatherColumns(source_.reader, names, runs_.positions(), context_.threads));
    for (size_t i = 0; i < names.size(); ++i) {
      const auto type = ValueTypeOfArrow(*arrays[i]->type());
      values_[i].values = std::move(arrays[i]);
      if (!type.ok()) continue;  // of no feature: it can be counted still
      SALVER_ASSIGN(values_[i].values, CastColumn(arrow::ChunkedArray(values_[i].values),
                                                  Field{.name = names[i], .type = *type}, values_[i].what));
    }
    return Status::OK();
  }

  const WindowSource& source_;
  const KeyDictionary& dictionary_;
  const ExecutionContext& context_;
  WindowWork* const work_;
  const std::vector<int> groups_;
  KeyRuns runs_;
  std::vector<WindowColumn> values_;
  std::vector<std::pair<size_t, size_t>>
      places_;  // of each column's answer: among values_, and its functions
};

}  // namespace

Result<std::vector<ArrayPtr>> AggregateFeatures(const WindowSource& source, const KeyDictionary& dictionary,
                                                const WindowLabels& labels, bool created_cut,
                                                std::span<const AggregateNode::Column> columns,
                                                const ExecutionContext& context, WindowWork* work) {
  return WindowRun(source, dictionary, context, work).Run(labels, created_cut, columns);
}

int64_t LongestWindow(std::span<const AggregateNode::Column> columns) {
  int64_t longest = 1;
  for (const AggregateNode::Column& column : columns) {
    if (column.window_us == 0) return 0;
    longest = std::max(longest, column.window_us);
  }
  return longest;
}

int64_t WindowStart(int64_t at_us, int64_t window_us) {
  constexpr int64_t kFirst = kNoTime + 1;
  return window_us == 0 || at_us < kFirst + window_us ? kFirst : at_us - window_us + 1;
}

}  // namespace salver
