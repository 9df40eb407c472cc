#include "engine/window_features.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <numeric>

#include "base/arrow_status.h"
#include "base/parallel.h"
#include "engine/gather.h"
#include "engine/plan_run.h"
#include "engine/scan.h"
#include "kernel/columns.h"
#include "kernel/no_time.h"

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
    SALVER_RETURN_NOT_OK(PlaceColumns(columns));
    shares_ = ShareCount();
    std::vector<ArrayPtr> arrays;
    if (shares_ == 1) {
      SALVER_ASSIGN(arrays, Answers(labels, created_cut));
    } else {
      SALVER_ASSIGN(arrays, InShares(labels, created_cut));
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      Field field = columns[i].output.field;
      if (const auto type = ValueTypeOfArrow(*arrays[i]->type());
          field.type == ValueType::kInvalid && type.ok())
        field.type = *type;  // registered without one
      SALVER_ASSIGN(arrays[i], CastColumn(arrow::ChunkedArray(std::move(arrays[i])), field,
                                          "feature \"" + field.name + "\", " + columns[i].function + " of " +
                                              What(columns[i].output.source_column)));
    }
    return arrays;
  }

 private:
  template <typename Step>
  static Status Timed(int64_t* micros, const Step& step) {
    const auto start = std::chrono::steady_clock::now();
    const Status status = step();
    *micros += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
                   .count();
    return status;
  }

  // How many shares of the keys are done one after another, so that the rows of each fit in half the memory.
  size_t ShareCount() const {
    int64_t rows = 0;
    for (const int group : groups_) rows += source_.reader->row_groups()[static_cast<size_t>(group)].rows;
    const int64_t row_bytes =
        32 + (source_.scan->created_column.empty() ? 0 : 16) + 9 * static_cast<int64_t>(names_.size());
    const int64_t memory = context_.memory_limit_bytes / 2;
    if (context_.memory_limit_bytes == 0 || rows * row_bytes <= memory) return 1;
    return static_cast<size_t>(std::min<int64_t>(rows * row_bytes / memory + 1, kMaxShares));
  }

  bool InShare(int32_t key) const { return static_cast<size_t>(key) % shares_ == share_; }

  // The labels of a share of the keys at a time, put back in order at the end.
  Result<std::vector<ArrayPtr>> InShares(const WindowLabels& labels, bool created_cut) {
    std::vector<arrow::ArrayVector> pieces(places_.size());
    std::vector<int64_t> place(labels.keys.size());  // of each label's answer among all pieces
    int64_t placed = 0;
    for (share_ = 0; share_ < shares_; ++share_) {
      std::vector<int32_t> keys;
      std::vector<int64_t> times, rows;
      for (size_t row = 0; row < labels.keys.size(); ++row) {
        const bool nobody = labels.keys[row] < 0;
        if (nobody ? share_ != 0 : !InShare(labels.keys[row])) continue;
        place[row] = placed++;
        keys.push_back(labels.keys[row]);
        times.push_back(labels.times[row]);
        rows.push_back(static_cast<int64_t>(row));
      }
      SALVER_ASSIGN(const auto answers, Answers({keys, times, rows}, created_cut));
      for (size_t i = 0; i < answers.size(); ++i) pieces[i].push_back(answers[i]);
    }
    const arrow::Int64Array order(static_cast<int64_t>(place.size()), arrow::Buffer::Wrap(place));
    std::vector<ArrayPtr> arrays;
    for (arrow::ArrayVector& piece : pieces) {
      SALVER_ASSIGN(auto joined, FromArrow(arrow::Concatenate(piece), "answers of windows"));
      piece.clear();
      SALVER_ASSIGN(auto ordered, FromArrow(arrow::compute::Take(*joined, order), "answers of windows"));
      arrays.push_back(std::move(ordered));
    }
    return arrays;
  }

  // Of the labels of one share, an array a column.
  Result<std::vector<ArrayPtr>> Answers(const WindowLabels& labels, bool created_cut) {
    SALVER_RETURN_NOT_OK(Timed(&work_->index_us, [&] { return ReadRuns(); }));
    SALVER_RETURN_NOT_OK(Timed(&work_->read_us, [&] { return ReadValues(); }));
    std::vector<ArrayPtr> arrays;
    SALVER_RETURN_NOT_OK(Timed(&work_->aggregate_us, [&]() -> Status {
      SALVER_ASSIGN(auto answers, AggregateWindows(runs_, values_, labels,
                                                   {created_cut, context_.threads, context_.cancelled}));
      for (const auto& [column, function] : places_) arrays.push_back(std::move(answers[column][function]));
      return Status::OK();
    }));
    return arrays;
  }

  std::string What(const std::string& column) const {
    return "data source \"" + source_.scan->source.name + "\", column \"" + column + "\"";
  }

  // Rows that a window can hold, by key and time.
  Status ReadRuns() {
    std::vector<size_t> rooms;
    for (const int group : groups_)
      rooms.push_back(static_cast<size_t>(source_.reader->row_groups()[static_cast<size_t>(group)].rows));
    KeyRunsBuilder builder(rooms, !source_.scan->created_column.empty());
    std::vector<Kept> kept(groups_.size());
    std::vector<Memory> memory(static_cast<size_t>(ThreadCount(context_.threads)));
    SALVER_RETURN_NOT_OK(ReadKeysAndTimes(&builder, kept, memory));
    SALVER_RETURN_NOT_OK(builder.Place(dictionary_.size(), context_.threads));
    carried_values_.resize(carried_.size());
    carried_validity_.resize(carried_.size());
    value_columns_ = 0;
    for (size_t i = 0; i < carried_.size(); ++i) {
      SALVER_RETURN_NOT_OK(ReadCarried(i, kept, memory, &builder));
    }
    if (!gathered_.empty()) AddPositions(kept, &memory[0], &builder);
    memory.clear();
    SALVER_ASSIGN(runs_, builder.Finish(context_.threads));
    work_->rows_kept += static_cast<int64_t>(runs_.row_count());
    return Status::OK();
  }

  // The rows of a row group that a window can hold: a bit for each row of the group; no bits: all.
  struct Kept {
    int64_t first_position = 0;
    size_t count = 0;
    LargeVector<uint64_t> bits;
  };

  // A thread's memory, used again from row group to row group.
  struct Memory {
    ScannedRows rows;
    LargeVector<int32_t> ids;
    LargeVector<uint32_t> numbers;
    bool counts_up = false;  // numbers are 0, 1, 2, ...
  };

  // Their numbers in the group, which `memory` holds.
  static std::span<const uint32_t> NumbersOf(const Kept& kept, Memory* memory) {
    LargeVector<uint32_t>& numbers = memory->numbers;
    if (memory->counts_up && kept.bits.empty() && kept.count <= numbers.size())
      return std::span(numbers).first(kept.count);
    memory->counts_up = kept.bits.empty();
    MakeRoom(kept.count, &numbers);
    if (kept.bits.empty()) {
      std::iota(numbers.begin(), numbers.end(), 0);
    } else {
      uint32_t* to = numbers.data();
      for (size_t word = 0; word < kept.bits.size(); ++word) {
        for (uint64_t bits = kept.bits[word]; bits != 0; bits &= bits - 1)
          *to++ = static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
      }
    }
    return std::span(numbers).first(kept.count);
  }

  Status ReadKeysAndTimes(KeyRunsBuilder* builder, std::span<Kept> kept, std::span<Memory> memory) {
    return ParallelForWorkers(groups_.size(), context_.threads, [&](size_t i, size_t worker) -> Status {
      SALVER_RETURN_NOT_OK(CheckCancelled(context_));
      ScannedRows& rows = memory[worker].rows;
      LargeVector<int32_t>& ids = memory[worker].ids;
      SALVER_RETURN_NOT_OK(ScanKeysAndTimes(source_.reader, *source_.scan, source_.keys, groups_[i], &rows));
      dictionary_.Find(rows.keys, static_cast<int64_t>(rows.event_us.size()), &ids);
      kept[i] = KeepRows(rows, ids, builder->part(i));
      builder->SetRows(i, kept[i].count);
      return Status::OK();
    });
  }

  // Writes the rows that a window can hold to `part`.
  Kept KeepRows(const ScannedRows& rows, std::span<const int32_t> ids,
                const KeyRunsBuilder::Part& part) const {
    Kept kept{.first_position = rows.first_position};
    kept.bits.resize((ids.size() + 63) / 64);
    size_t count = 0;
    for (size_t row = 0; row < ids.size(); ++row) {
      const int64_t event = rows.event_us[row];
      part.keys[count] = static_cast<uint32_t>(ids[row]);
      part.event_us[count] = event;
      if (!part.created_us.empty()) part.created_us[count] = rows.created_us[row];
      const bool keep = ids[row] >= 0 && event >= source_.min_us && event <= source_.max_us &&
                        event != kNoTime && InShare(ids[row]);
      count += keep;
      uint64_t& word = kept.bits[row / 64];
      word = (row % 64 == 0 ? 0 : word) | uint64_t{keep} << row % 64;
    }
    kept.count = count;
    if (count == ids.size()) kept.bits = {};
    return kept;
  }

  // Columns of 8 bytes a value are read to where their rows lie in the runs, others are gathered when the
  // rows are in order.
  bool IsCarried(const std::string& column) const {
    const auto field = source_.reader->schema()->GetFieldByName(column);
    return field != nullptr && source_.reader->IsFixedWidth(column) && field->type()->byte_width() == 8;
  }

  Status ReadCarried(size_t column, std::span<const Kept> kept, std::span<Memory> memory,
                     KeyRunsBuilder* builder) {
    carried_values_[column] = value_columns_++;
    const std::span<int64_t> values = builder->AddValues();
    std::vector<std::vector<uint32_t>> nulls(groups_.size());
    SALVER_RETURN_NOT_OK(
        ParallelForWorkers(groups_.size(), context_.threads, [&](size_t i, size_t worker) -> Status {
          SALVER_RETURN_NOT_OK(CheckCancelled(context_));
          return source_.reader->GatherFixed(groups_[i], carried_[column],
                                             {NumbersOf(kept[i], &memory[worker]), builder->slots(i)},
                                             &memory[worker].rows.scratch, values.data(), &nulls[i]);
        }));
    carried_validity_[column] = 0;
    if (std::all_of(nulls.begin(), nulls.end(), [](const auto& slots) { return slots.empty(); }))
      return Status::OK();
    // Whether each value is there moves with the rows too.
    carried_validity_[column] = value_columns_++;
    const std::span<int64_t> valid = builder->AddValues();
    std::fill(valid.begin(), valid.end(), 1);
    for (const auto& slots : nulls) {
      for (const uint32_t slot : slots) valid[slot] = 0;
    }
    return Status::OK();
  }

  // Where the rows are in the source.
  void AddPositions(std::span<const Kept> kept, Memory* memory, KeyRunsBuilder* builder) {
    positions_ = value_columns_++;
    const std::span<int64_t> positions = builder->AddValues();
    for (size_t i = 0; i < kept.size(); ++i) {
      const auto rows = NumbersOf(kept[i], memory);
      const auto slots = builder->slots(i);
      for (size_t row = 0; row < rows.size(); ++row)
        positions[slots[row]] = kept[i].first_position + rows[row];
    }
  }

  // Points into the runs.
  Result<ArrayPtr> CarriedArray(size_t i) const {
    const auto values = runs_.values(carried_values_[i]);
    std::shared_ptr<arrow::Buffer> bits;
    if (carried_validity_[i] > 0) {
      const auto valid = runs_.values(carried_validity_[i]);
      SALVER_ASSIGN(bits,
                    FromArrow(arrow::AllocateEmptyBitmap(static_cast<int64_t>(valid.size())), "windows"));
      for (size_t row = 0; row < valid.size(); ++row) {
        if (valid[row] != 0) arrow::bit_util::SetBit(bits->mutable_data(), static_cast<int64_t>(row));
      }
    }
    return arrow::MakeArray(arrow::ArrayData::Make(
        source_.reader->schema()->GetFieldByName(carried_[i])->type(), static_cast<int64_t>(values.size()),
        {std::move(bits), arrow::Buffer::Wrap(values.data(), values.size())}));
  }

  // The columns that are aggregated, each once, and what is asked of them.
  Status PlaceColumns(std::span<const AggregateNode::Column> columns) {
    for (const AggregateNode::Column& column : columns) {
      const std::string& name = column.output.source_column;
      const size_t at = static_cast<size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
      if (at == names_.size()) {
        names_.push_back(name);
        (IsCarried(name) ? carried_ : gathered_).push_back(name);
        values_.push_back({What(name), nullptr, {}});
      }
      SALVER_ASSIGN(const AggregateKind kind, AggregateKindNamed(column.function));
      places_.emplace_back(at, values_[at].functions.size());
      values_[at].functions.push_back({kind, column.window_us});
    }
    return Status::OK();
  }

  // Their values, in the order of the runs.
  Status ReadValues() {
    for (WindowColumn& column : values_) column.values.reset();
    const auto values_of = [&](const std::string& name) -> ArrayPtr& {
      return values_[static_cast<size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin())]
          .values;
    };
    if (!gathered_.empty()) {
      SALVER_ASSIGN(auto arrays,
                    GatherColumns(source_.reader, gathered_, runs_.values(positions_), context_.threads));
      for (size_t i = 0; i < arrays.size(); ++i) values_of(gathered_[i]) = std::move(arrays[i]);
    }
    for (size_t i = 0; i < carried_.size(); ++i) {
      SALVER_ASSIGN(values_of(carried_[i]), CarriedArray(i));
    }
    for (size_t i = 0; i < names_.size(); ++i) {
      const auto type = ValueTypeOfArrow(*values_[i].values->type());
      if (!type.ok()) continue;  // of no feature: it can be counted still
      SALVER_ASSIGN(values_[i].values, CastColumn(arrow::ChunkedArray(values_[i].values),
                                                  Field{.name = names_[i], .type = *type}, values_[i].what));
    }
    return Status::OK();
  }

  const WindowSource& source_;
  const KeyDictionary& dictionary_;
  const ExecutionContext& context_;
  WindowWork* const work_;
  const std::vector<int> groups_;
  static constexpr int64_t kMaxShares = 1024;
  size_t share_ = 0, shares_ = 1;  // keys in hand are those whose id is share_ in steps of shares_
  KeyRuns runs_;
  std::vector<std::string> names_;               // of values_
  std::vector<std::string> carried_, gathered_;  // of names_
  // Places among the runs' values: of the carried columns, of what says where they are not null (0: nothing
  // is null), and of the rows' positions in the source, for gathered columns.
  std::vector<size_t> carried_values_, carried_validity_;
  size_t positions_ = 0, value_columns_ = 0;
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
