// Runs a plan in this process, in steps that each share out their work to threads:
//
//   index   the entity rows by key and time
//   scan    a row group a task: keys and times, once for all joins on the source
//   join    the winner of each entity row, a row number, when the last row group has passed by
//   windows aggregates that end with each label, for views that ask for them (window_features.h)
//   gather  a column of a row group a task: feature values, only where a winner lies
//
// Every task writes a place of its own, so the answer does not depend on the number of threads.
#include "engine/plan_run.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "base/arrow_status.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "engine/asked_keys.h"
#include "engine/encoded_keys.h"
#include "engine/gather.h"
#include "engine/node_timer.h"
#include "engine/scan.h"
#include "engine/window_features.h"
#include "kernel/asof_join.h"
#include "kernel/columns.h"
#include "kernel/no_time.h"

namespace salver {
namespace {

using arrow::Table;
using ArrayPtr = std::shared_ptr<arrow::Array>;

struct TimeRange {
  int64_t min_us = INT64_MAX, max_us = INT64_MIN;
};

// A source while it is read.
struct SourceScan {
  const ScanNode* node = nullptr;
  std::unique_ptr<SourceReader> reader;
  TimeRange range;                // event times that any join can match
  std::vector<int> groups;        // row groups that may hold them, and keys of the entity rows
  std::vector<Field> key_fields;  // key columns of all joins, each once
  std::vector<size_t> joins;      // of PlanRun::shared_joins_
};

// All joins on the same source with the same keys and the same cut.
struct SharedJoin {
  size_t scan = 0, keys = 0;
  std::vector<std::string> key_columns;
  bool created_cut = false;
  size_t first = 0;                // of the plan's joins; its time is that of all until they gather
  std::vector<size_t> key_fields;  // of SourceScan::key_fields
  std::vector<int64_t> ttls_us;
  std::unique_ptr<AsofJoin> rows;
  std::vector<std::unique_ptr<WantedRows>> wanted;  // per ttl
};

// Where a join of the plan finds its winners.
struct JoinPlace {
  size_t shared = 0, ttl = 0;
};

struct Task {
  size_t owner, item;
};

class PlanRun {
 public:
  // `report` may be null: then nothing is measured that costs anything.
  PlanRun(const LoweredPlan& plan, const ExecutionContext& context, RunReport* report)
      : plan_(plan),
        context_(context),
        measure_(report != nullptr),
        report_(measure_ ? *report : own_report_),
        key_times_(plan.keys.size()),
        scan_times_(plan.scans.size()),
        join_times_(plan.joins.size()),
        rows_kept_(plan.scans.size()) {}

  Result<std::shared_ptr<Table>> Run(const Table& entities) {
    entities_ = &entities;
    const int64_t before = measure_ ? RestartPeakMemory() : 0;
    SALVER_RETURN_NOT_OK(EncodeEntities());
    SALVER_RETURN_NOT_OK(Timed(&PlanRun::OpenSources, &report_.open_us));
    SALVER_RETURN_NOT_OK(Timed(&PlanRun::IndexLabels, &report_.index_us));
    SALVER_RETURN_NOT_OK(Timed(&PlanRun::ScanSources, &report_.scan_us));
    SALVER_RETURN_NOT_OK(Timed(&PlanRun::GatherFeatures, &report_.gather_us));
    SALVER_RETURN_NOT_OK(Timed(&PlanRun::Aggregate, &report_.aggregate_us));
    report_.ran = true;
    if (measure_) ReportTimes();
    if (measure_) report_.peak_bytes = std::max<int64_t>(0, PeakMemory() - before);
    return Assemble();
  }

  Status Describe(const LabelTimes& labels) {
    report_.labels = labels;
    return OpenSources();
  }

 private:
  Status Timed(Status (PlanRun::*step)(), int64_t* micros) {
    const auto start = std::chrono::steady_clock::now();
    const Status status = (this->*step)();
    *micros = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
                  .count();
    return status;
  }

  using NodeTimes = std::vector<std::atomic<int64_t>>;  // microseconds

  std::atomic<int64_t>* TimeOf(size_t node, NodeTimes* times) const {
    return measure_ ? &(*times)[node] : nullptr;
  }

  void ReportTimes() {
    for (size_t i = 0; i < key_times_.size(); ++i) report_.keys[i].time_us = key_times_[i];
    for (size_t i = 0; i < scan_times_.size(); ++i) {
      report_.scans[i].time_us = scan_times_[i];
      report_.scans[i].rows_kept = rows_kept_[i];
    }
    for (size_t i = 0; i < join_times_.size(); ++i) report_.joins[i].time_us = join_times_[i];
    report_.join_us = join_us_;
  }

  Status EncodeEntities() {
    const std::string what = "entity column \"" + plan_.time_column + "\"";
    SALVER_ASSIGN(time_column_, CastTimeColumn(*entities_->GetColumnByName(plan_.time_column), what));
    SALVER_ASSIGN(times_, TimesOf(arrow::ChunkedArray(time_column_), kNoTime, what));
    report_.labels = TimesRange(times_);
    report_.keys.resize(plan_.keys.size());
    for (size_t node = 0; node < plan_.keys.size(); ++node) {
      const NodeTimer timer(TimeOf(node, &key_times_));
      SALVER_ASSIGN(auto encoded, EncodeKeys(plan_.keys[node], *entities_, ViewOn(node), IsTold(node)));
      report_.keys[node].distinct = encoded->dictionary.size();
      keys_.push_back(std::move(encoded));
    }
    return Status::OK();
  }

  // Whether a store can make use of these keys. Files are not asked: their row groups say what they have.
  bool IsTold(size_t keys) const {
    return std::any_of(plan_.scans.begin(), plan_.scans.end(), [&](const ScanNode& scan) {
      return scan.asked && scan.asked->keys == keys && scan.source.store != "file";
    });
  }

  // A view that joins on this KeyNode, for messages.
  const std::string& ViewOn(size_t keys) const {
    for (const AggregateStep& step : plan_.aggregates) {
      if (step.keys == keys) return step.view;
    }
    return std::find_if(plan_.joins.begin(), plan_.joins.end(),
                        [&](const JoinNode& join) { return join.keys == keys; })
        ->view;
  }

  Status OpenSources() {
    scans_.resize(plan_.scans.size());
    for (size_t i = 0; i < scans_.size(); ++i) {
      scans_[i].node = &plan_.scans[i];
      scans_[i].range = NeededRange(i);
    }
    for (size_t at = 0; at < plan_.joins.size(); ++at) places_.push_back(PlaceOf(at));
    SALVER_RETURN_NOT_OK(ParallelFor(scans_.size(), context_.threads, [&](size_t i) -> Status {
      SourceScan& scan = scans_[i];
      SALVER_ASSIGN(scan.reader, context_.offline->Open(scan.node->source, NeedsOf(i)));
      scan.groups = GroupsInRange(*scan.reader, scan.range.min_us, scan.range.max_us);
      return Status::OK();
    }));
    for (size_t i = 0; i < scans_.size() && !keys_.empty(); ++i) LeaveOutGroupsWithoutKeys(i);
    for (const auto& keys : keys_) keys->ForgetColumns();
    return measure_ ? ReportSources() : Status::OK();
  }

  // What row groups say of their key columns. Of keys that only aggregations ask for nothing is left out.
  void LeaveOutGroupsWithoutKeys(size_t at) {
    SourceScan& scan = scans_[at];
    const auto asks = [&](const AggregateStep& step) { return step.scan == at; };
    if (std::any_of(plan_.aggregates.begin(), plan_.aggregates.end(), asks)) return;
    std::vector<std::vector<KeyNumbers>> joins;
    for (const size_t join : scan.joins) {
      joins.push_back(NumbersOf(shared_joins_[join]));
      if (joins.back().empty()) return;  // it may want any row group
    }
    const auto may_have = [&](const std::vector<KeyNumbers>& keys, int group) {
      return std::all_of(keys.begin(), keys.end(), [&](const KeyNumbers& key) {
        const auto range = scan.reader->RangeOf(group, key.column);
        return !range || key.wanted->MayBeIn(*range);
      });
    };
    std::erase_if(scan.groups, [&](int group) {
      return std::none_of(joins.begin(), joins.end(),
                          [&](const auto& keys) { return may_have(keys, group); });
    });
  }

  // A key column of a source, and what the entity rows have in theirs.
  struct KeyNumbers {
    std::string column;
    WantedNumbers* wanted;
  };

  std::vector<KeyNumbers> NumbersOf(const SharedJoin& join) {
    const SourceScan& scan = scans_[join.scan];
    std::vector<KeyNumbers> numbers;
    for (size_t i = 0; i < join.key_fields.size(); ++i) {
      const Field& field = scan.key_fields[join.key_fields[i]];
      if (!IsKeyOfNumbers(*scan.reader, field)) continue;
      if (WantedNumbers* const wanted = keys_[join.keys]->WantedOf(i))
        numbers.push_back({field.name, wanted});
    }
    return numbers;
  }

  SourceNeeds NeedsOf(size_t at) const {
    const SourceScan& scan = scans_[at];
    SourceNeeds needs{.columns = {scan.node->event_column},
                      .min_event_us = scan.range.min_us,
                      .max_event_us = scan.range.max_us,
                      .cancelled = context_.cancelled};
    if (!scan.node->created_column.empty()) needs.columns.push_back(scan.node->created_column);
    for (const Field& key : scan.key_fields) needs.columns.push_back(key.name);
    for (const JoinNode& join : plan_.joins) {
      for (size_t i = 0; join.scan == at && i < join.outputs.size(); ++i)
        needs.columns.push_back(join.outputs[i].source_column);
    }
    for (const AggregateStep& step : plan_.aggregates) {
      if (step.scan != at) continue;
      needs.columns.insert(needs.columns.end(), step.key_columns.begin(), step.key_columns.end());
      for (const auto& column : step.columns) needs.columns.push_back(column.output.source_column);
    }
    if (scan.node->asked && !keys_.empty() && IsTold(scan.node->asked->keys))
      needs.keys = KeyTable(scan.node->asked->columns, keys_[scan.node->asked->keys]->distinct);
    return needs;
  }

  // What will be read, as far as it is known before.
  Status ReportSources() {
    report_.threads = ThreadCount(context_.threads);
    report_.scans.resize(scans_.size());
    report_.joins.resize(plan_.joins.size());
    for (size_t i = 0; i < scans_.size(); ++i) {
      const SourceScan& scan = scans_[i];
      RunReport::Scan& report = report_.scans[i];
      report.files = scan.reader->file_count();
      report.row_groups = static_cast<int>(scan.reader->row_groups().size());
      report.row_groups_needed = static_cast<int>(scan.groups.size());
      for (const RowGroup& group : scan.reader->row_groups()) report.rows += group.rows;
      for (const int group : scan.groups) {
        report.rows_needed += scan.reader->row_groups()[static_cast<size_t>(group)].rows;
        std::vector<std::string> columns = {scan.node->event_column, scan.node->created_column};
        for (const Field& key : scan.key_fields) columns.push_back(key.name);
        SALVER_RETURN_NOT_OK(AddBytes(*scan.reader, group, columns, &report.bytes));
      }
    }
    for (size_t at = 0; at < plan_.joins.size(); ++at)
      SALVER_RETURN_NOT_OK(ReportJoin(at, scans_[plan_.joins[at].scan].groups));
    report_.aggregates.resize(plan_.aggregates.size());
    for (size_t at = 0; at < plan_.aggregates.size(); ++at) SALVER_RETURN_NOT_OK(ReportAggregate(at));
    return Status::OK();
  }

  Status ReportAggregate(size_t at) {
    const AggregateStep& step = plan_.aggregates[at];
    const SourceScan& scan = scans_[step.scan];
    std::vector<std::string> columns;
    for (const auto& column : step.columns) {
      const std::string& name = column.output.source_column;
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
    }
    report_.aggregates[at].row_groups = static_cast<int>(scan.groups.size());
    for (const int group : scan.groups)
      SALVER_RETURN_NOT_OK(AddBytes(*scan.reader, group, columns, &report_.aggregates[at].bytes));
    return Status::OK();
  }

  static Status AddBytes(const SourceReader& reader, int group, const std::vector<std::string>& columns,
                         int64_t* sum) {
    for (const std::string& column : columns) {
      SALVER_ASSIGN(const int64_t bytes, reader.ColumnBytes(group, column));
      *sum += bytes;
    }
    return Status::OK();
  }

  // That a join's feature columns are read of these row groups.
  Status ReportJoin(size_t at, const std::vector<int>& groups) {
    const JoinNode& join = plan_.joins[at];
    RunReport::Join& report = report_.joins[at];
    report.row_groups = static_cast<int>(groups.size());
    report.bytes = 0;
    std::vector<std::string> columns;
    for (const auto& output : join.outputs) columns.push_back(output.source_column);
    for (const int group : groups)
      SALVER_RETURN_NOT_OK(AddBytes(*scans_[join.scan].reader, group, columns, &report.bytes));
    return Status::OK();
  }

  TimeRange NeededRange(size_t scan) const {
    constexpr int64_t kFirst = kNoTime + 1;
    const auto& look_back = plan_.scans[scan].look_back_us;
    if (!look_back) return {kFirst, INT64_MAX};
    TimeRange range{report_.labels.min_us, report_.labels.max_us};
    if (range.min_us > range.max_us) return range;
    range.min_us = range.min_us < kFirst + *look_back ? kFirst : range.min_us - *look_back;
    return range;
  }

  JoinPlace PlaceOf(size_t at) {
    const size_t shared = SharedJoinOf(at);
    std::vector<int64_t>& known = shared_joins_[shared].ttls_us;
    const auto same = std::find(known.begin(), known.end(), plan_.joins[at].ttl_us);
    const size_t ttl = static_cast<size_t>(same - known.begin());
    if (same == known.end()) known.push_back(plan_.joins[at].ttl_us);
    return {shared, ttl};
  }

  size_t SharedJoinOf(size_t at) {
    const JoinNode& join = plan_.joins[at];
    for (size_t i = 0; i < shared_joins_.size(); ++i) {
      const SharedJoin& have = shared_joins_[i];
      if (have.scan == join.scan && have.keys == join.keys && have.key_columns == join.key_columns &&
          have.created_cut == join.created_cut)
        return i;
    }
    SourceScan& scan = scans_[join.scan];
    SharedJoin& shared = shared_joins_.emplace_back();
    shared.scan = join.scan;
    shared.keys = join.keys;
    shared.key_columns = join.key_columns;
    shared.created_cut = join.created_cut;
    shared.first = at;
    for (const Field& field : SourceKeys(plan_.keys[join.keys], join.key_columns)) {
      const auto same = std::find_if(scan.key_fields.begin(), scan.key_fields.end(), [&](const Field& have) {
        return have.name == field.name && have.type == field.type;
      });
      shared.key_fields.push_back(static_cast<size_t>(same - scan.key_fields.begin()));
      if (same == scan.key_fields.end()) scan.key_fields.push_back(field);
    }
    scan.joins.push_back(shared_joins_.size() - 1);
    return shared_joins_.size() - 1;
  }

  Status IndexLabels() {
    for (const SharedJoin& shared : shared_joins_) {
      EncodedKeys& keys = *keys_[shared.keys];
      if (keys.labels != nullptr) continue;
      const NodeTimer timer(TimeOf(shared.keys, &key_times_));
      SALVER_ASSIGN(auto labels,
                    LabelIndex::Make(keys.ids, times_, keys.dictionary.size(), context_.threads));
      keys.labels = std::make_unique<LabelIndex>(std::move(labels));
    }
    return Status::OK();
  }

  void StartJoin(SharedJoin* shared) const {
    const SourceScan& scan = scans_[shared->scan];
    const auto [shortest, longest] = std::minmax_element(shared->ttls_us.begin(), shared->ttls_us.end());
    shared->rows = std::make_unique<AsofJoin>(
        *keys_[shared->keys]->labels, AsofJoin::Options{.created_cut = shared->created_cut,
                                                        .has_created = !scan.node->created_column.empty(),
                                                        .ttl_max_us = *shortest == 0 ? 0 : *longest,
                                                        .concurrent = scan.groups.size() > 1});
  }

  // A thread's memory, used again from row group to row group.
  struct ScanMemory {
    ScannedRows rows;
    LargeVector<int32_t> ids;
    AsofJoin::Memory join;
  };

  Status ScanSources() {
    std::vector<Task> tasks;
    std::vector<std::atomic<size_t>> left(scans_.size());  // row groups
    std::vector<std::once_flag> started(scans_.size());
    for (size_t i = 0; i < scans_.size(); ++i) {
      left[i] = scans_[i].groups.size();
      for (size_t k = 0; k < scans_[i].groups.size() && !scans_[i].joins.empty(); ++k)
        tasks.push_back({i, k});
    }
    const int threads = ScanThreads();
    std::vector<ScanMemory> memory(static_cast<size_t>(ThreadCount(threads)));
    SALVER_RETURN_NOT_OK(ParallelForWorkers(tasks.size(), threads, [&](size_t i, size_t worker) -> Status {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      const SourceScan& scan = scans_[tasks[i].owner];
      std::call_once(started[tasks[i].owner], [&] {
        for (const size_t at : scan.joins) StartJoin(&shared_joins_[at]);
      });
      SALVER_RETURN_NOT_OK(ScanGroup(tasks[i].owner, scan.groups[tasks[i].item], &memory[worker]));
      return --left[tasks[i].owner] == 0 ? FinishJoins(scan) : Status::OK();
    }));
    // Those without a row group found nothing.
    for (SharedJoin& shared : shared_joins_) {
      if (!shared.wanted.empty()) continue;
      StartJoin(&shared);
      SALVER_RETURN_NOT_OK(FinishJoin(&shared));
    }
    return Status::OK();
  }

  // As many as a memory limit has room for row groups, beside the labels and the answer.
  int ScanThreads() const {
    if (context_.memory_limit_bytes == 0) return context_.threads;
    constexpr int64_t kBytesALabel = 48, kBytesAValue = 9, kBytesARow = 40;
    const int64_t labels = static_cast<int64_t>(times_.size());
    const int64_t values = static_cast<int64_t>(plan_.output_count + plan_.joins.size() + plan_.keys.size());
    const int64_t others = labels * (kBytesALabel + kBytesAValue * values);
    int64_t rows = 1;
    for (const SourceScan& scan : scans_) {
      for (const int group : scan.groups)
        rows = std::max(rows, scan.reader->row_groups()[static_cast<size_t>(group)].rows);
    }
    const int64_t fit = (context_.memory_limit_bytes - others) / (rows * kBytesARow);
    return static_cast<int>(std::clamp<int64_t>(fit, 1, ThreadCount(context_.threads)));
  }

  Status ScanGroup(size_t owner, int group, ScanMemory* memory) {
    const NodeTimer timer(TimeOf(owner, &scan_times_));
    const SourceScan& scan = scans_[owner];
    auto& [rows, ids, join] = *memory;
    if (scan.joins.size() == 1) {
      // Who is alone may leave out the times of rows that nobody asks for.
      const SharedJoin& shared = shared_joins_[scan.joins[0]];
      std::vector<Field> key_fields;  // a column may be two keys
      for (const size_t field : shared.key_fields) key_fields.push_back(scan.key_fields[field]);
      SALVER_RETURN_NOT_OK(ScanRowsOf(scan.reader.get(), *scan.node, key_fields,
                                      keys_[shared.keys]->dictionary, group, &ids, &rows));
      AddToJoin(shared, ids, rows, &join);
      return Status::OK();
    }
    SALVER_RETURN_NOT_OK(ScanKeysAndTimes(scan.reader.get(), *scan.node, scan.key_fields, group, &rows));
    for (const size_t at : scan.joins) {
      FindKeys(shared_joins_[at], group, rows, &ids);
      AddToJoin(shared_joins_[at], ids, rows, &join);
    }
    return Status::OK();
  }

  void FindKeys(const SharedJoin& shared, int group, const ScannedRows& rows,
                LargeVector<int32_t>* ids) const {
    const auto& groups = scans_[shared.scan].reader->row_groups();
    std::vector<ArrayPtr> columns;
    for (const size_t field : shared.key_fields) columns.push_back(rows.keys[field]);
    keys_[shared.keys]->dictionary.Find(columns, groups[static_cast<size_t>(group)].rows, ids);
  }

  void AddToJoin(const SharedJoin& shared, const LargeVector<int32_t>& ids, const ScannedRows& rows,
                 AsofJoin::Memory* memory) {
    if (measure_) {
      const auto is_asked = [](int32_t id) { return id >= 0; };
      rows_kept_[shared.scan] += std::count_if(ids.begin(), ids.end(), is_asked);
    }
    shared.rows->Add({rows.first_position, ids, rows.event_us, rows.created_us, rows.rows}, memory);
  }

  Status FinishJoins(const SourceScan& scan) {
    for (const size_t at : scan.joins) SALVER_RETURN_NOT_OK(FinishJoin(&shared_joins_[at]));
    return Status::OK();
  }

  // Puts the winners in the order of their source.
  Status FinishJoin(SharedJoin* shared) {
    const NodeTimer timer(TimeOf(shared->first, &join_times_));
    const NodeTimer all(measure_ ? &join_us_ : nullptr);
    // Others are at work on other sources, if there are any.
    const int threads = scans_.size() > 1 ? 1 : context_.threads;
    SALVER_ASSIGN(const auto found, shared->rows->Finish(shared->ttls_us, threads));
    shared->rows.reset();
    const auto starts = RowGroupStarts(*scans_[shared->scan].reader);
    for (const auto& positions : found)
      shared->wanted.push_back(std::make_unique<WantedRows>(positions, starts));
    return Status::OK();
  }

  Status GatherFeatures() {
    columns_.resize(plan_.joins.size());
    AnswerMemory memory;
    for (size_t at = 0; at < columns_.size(); ++at) {
      for (const auto& output : plan_.joins[at].outputs) {
        columns_[at].push_back(NewColumnGatherer(*scans_[plan_.joins[at].scan].reader, output.source_column,
                                                 WantedOf(at), &memory));
      }
      if (!measure_) continue;
      SALVER_RETURN_NOT_OK(ReportJoin(at, WantedOf(at).groups()));
      report_.joins[at].matched = static_cast<int64_t>(WantedOf(at).matched());
    }
    struct ColumnTask {
      size_t join, group, column;
    };
    std::vector<ColumnTask> tasks;
    for (size_t at = 0; at < columns_.size(); ++at) {
      for (size_t group = 0; group < WantedOf(at).groups().size(); ++group) {
        for (size_t column = 0; column < columns_[at].size(); ++column) tasks.push_back({at, group, column});
      }
    }
    int64_t values = 0;  // of the pages that are gone through
    for (const ColumnTask& task : tasks) {
      const auto group = static_cast<size_t>(WantedOf(task.join).groups()[task.group]);
      values += scans_[plan_.joins[task.join].scan].reader->row_groups()[group].rows;
    }
    const int threads = ThreadsFor(values);
    std::vector<ReadScratch> scratch(static_cast<size_t>(ThreadCount(threads)));
    SALVER_RETURN_NOT_OK(ParallelForWorkers(tasks.size(), threads, [&](size_t i, size_t worker) -> Status {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      const auto [join, group, column] = tasks[i];
      const NodeTimer timer(TimeOf(join, &join_times_));
      return columns_[join][column]->Add(group, scans_[plan_.joins[join].scan].reader.get(),
                                         &scratch[worker]);
    }));
    return FinishColumns();
  }

  // For work on so many values: starting a thread takes longer than going through some thousands of them.
  int ThreadsFor(int64_t values) const {
    constexpr int64_t kValuesWorthAThread = 32 * 1024;
    return values < kValuesWorthAThread ? 1 : context_.threads;
  }

  const WantedRows& WantedOf(size_t join) const {
    return *shared_joins_[places_[join].shared].wanted[places_[join].ttl];
  }

  Status FinishColumns() {
    std::vector<Task> tasks;
    for (size_t at = 0; at < columns_.size(); ++at) {
      for (size_t i = 0; i < columns_[at].size(); ++i) tasks.push_back({at, i});
    }
    features_.resize(plan_.output_count);
    const int threads = ThreadsFor(static_cast<int64_t>(times_.size() * tasks.size()));
    return ParallelFor(tasks.size(), threads, [&](size_t i) -> Status {
      const NodeTimer timer(TimeOf(tasks[i].owner, &join_times_));
      const JoinNode& join = plan_.joins[tasks[i].owner];
      const JoinNode::Output& output = join.outputs[tasks[i].item];
      auto& gatherer = columns_[tasks[i].owner][tasks[i].item];
      SALVER_ASSIGN(auto column, gatherer->Finish());
      gatherer.reset();
      SALVER_ASSIGN(
          features_[output.position],
          CastColumn(arrow::ChunkedArray(std::move(column)), output.field,
                     "feature view \"" + join.view + "\", column \"" + output.source_column + "\""));
      return Status::OK();
    });
  }

  Status Aggregate() {
    for (size_t at = 0; at < plan_.aggregates.size(); ++at) {
      const AggregateStep& step = plan_.aggregates[at];
      const SourceScan& scan = scans_[step.scan];
      const EncodedKeys& keys = *keys_[step.keys];
      const int64_t longest = LongestWindow(step.columns);
      const WindowSource source{.reader = scan.reader.get(),
                                .scan = scan.node,
                                .keys = SourceKeys(plan_.keys[step.keys], step.key_columns),
                                .min_us = WindowStart(report_.labels.min_us, longest),
                                .max_us = report_.labels.max_us};
      WindowWork work;
      SALVER_ASSIGN(auto columns, AggregateFeatures(source, keys.dictionary, {keys.ids, times_},
                                                    step.created_cut, step.columns, context_, &work));
      for (size_t i = 0; i < columns.size(); ++i)
        features_[step.columns[i].output.position] = std::move(columns[i]);
      if (!measure_) continue;
      report_.aggregates[at].rows_kept = work.rows_kept;
      report_.aggregates[at].time_us = work.index_us + work.read_us + work.aggregate_us;
    }
    return Status::OK();
  }

  // The entity rows with their time column in UTC microseconds, and the feature columns after them.
  Result<std::shared_ptr<Table>> Assemble() const {
    arrow::FieldVector fields = entities_->schema()->fields();
    auto columns = entities_->columns();
    const size_t time = static_cast<size_t>(entities_->schema()->GetFieldIndex(plan_.time_column));
    fields[time] = arrow::field(plan_.time_column, time_column_->type());
    columns[time] = std::make_shared<arrow::ChunkedArray>(time_column_);
    std::vector<std::string> names(plan_.output_count);
    for (const JoinNode& join : plan_.joins) {
      for (const auto& output : join.outputs) names[output.position] = output.field.name;
    }
    for (const AggregateStep& step : plan_.aggregates) {
      for (const auto& column : step.columns) names[column.output.position] = column.output.field.name;
    }
    for (size_t i = 0; i < features_.size(); ++i) {
      fields.push_back(arrow::field(names[i], features_[i]->type()));
      columns.push_back(std::make_shared<arrow::ChunkedArray>(features_[i]));
    }
    return Table::Make(arrow::schema(std::move(fields)), std::move(columns), entities_->num_rows());
  }

  const LoweredPlan& plan_;
  const ExecutionContext& context_;
  const bool measure_;
  RunReport own_report_;
  RunReport& report_;
  NodeTimes key_times_, scan_times_, join_times_;
  std::atomic<int64_t> join_us_{0};              // of all joins, on all threads
  std::vector<std::atomic<int64_t>> rows_kept_;  // per scan: of a key that is asked for
  const Table* entities_ = nullptr;
  ArrayPtr time_column_;
  LargeVector<int64_t> times_;  // of the entity rows
  std::vector<std::unique_ptr<EncodedKeys>> keys_;
  std::vector<SourceScan> scans_;
  std::vector<SharedJoin> shared_joins_;
  std::vector<JoinPlace> places_;                                      // per join
  std::vector<std::vector<std::unique_ptr<ColumnGatherer>>> columns_;  // per join
  std::vector<ArrayPtr> features_;
};

}  // namespace

Status CheckCancelled(const ExecutionContext& context) {
  if (context.cancelled == nullptr || !*context.cancelled) return Status::OK();
  return Status::Cancelled("the retrieval was cancelled.");
}

Result<std::shared_ptr<Table>> RunPlan(const LoweredPlan& plan, const Table& entities,
                                       const ExecutionContext& context, RunReport* report) {
  return PlanRun(plan, context, report).Run(entities);
}

Result<RunReport> DescribePlan(const LoweredPlan& plan, const LabelTimes& labels,
                               const ExecutionContext& context) {
  RunReport report;
  SALVER_RETURN_NOT_OK(PlanRun(plan, context, &report).Describe(labels));
  return report;
}

}  // namespace salver
