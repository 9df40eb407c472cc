// Keys are independent of each other, so a task is a range of keys. Of each key the rows that are not null
// are laid out once a column; then every function goes through the key's labels in time order:
//
//   sum, mean, std, var, min, max   the windows of a label lie within each other: the shortest is added up
//   first and
//                                   carried on into the next. Where a window is long, whole blocks are added
//                                   at once.
//   count_distinct, quantiles       slide along.
//   count, first, last              are where the window begins and ends.
#include "kernel/window_aggregate.h"

#include <arrow/array.h>

#include <algorithm>
#include <numeric>

#include "base/parallel.h"
#include "kernel/block_tree.h"
#include "kernel/compensated_sum.h"
#include "kernel/no_time.h"
#include "kernel/sliding_distinct.h"
#include "kernel/sliding_rank.h"
#include "kernel/window_frame.h"
#include "kernel/window_values.h"

namespace salver {
namespace {

using Function = AggregateFunction;
__extension__ using Int128 = __int128;

constexpr size_t kBlocksFrom = 256;  // rows of a window from which on blocks pay

// Answers of one function, a label each; doubles by their bits.
struct Answers {
  LargeVector<int64_t> bits;
  LargeVector<uint8_t> valid;

  void Set(size_t label, int64_t value) {
    bits[label] = value;
    valid[label] = 1;
  }
  void Set(size_t label, double value) { Set(label, std::bit_cast<int64_t>(value)); }
};

// One function of a column, with its window's place among all windows.
struct Asked {
  AggregateKind kind;
  size_t window;
  Answers* answers;
};

struct Column {
  WindowValues values;
  const std::string* what;
  // Shortest window first.
  std::vector<Asked> sums, moments, extremes, distincts, quantiles, places;
};

struct IntegerSum {
  Int128 sum = 0;
  void Merge(const IntegerSum& other) { sum += other.sum; }
};

struct Extremes {
  int64_t min = INT64_MAX, max = INT64_MIN;
  void Add(int64_t code) {
    min = std::min(min, code);
    max = std::max(max, code);
  }
  void Merge(const Extremes& other) {
    min = std::min(min, other.min);
    max = std::max(max, other.max);
  }
};

// Row of the rank that a quantile has among `count` values: the first that `ppm` millionths of them do not
// exceed.
size_t RankOf(int32_t ppm, int64_t count) {
  const int64_t whole = count / 1'000'000 * ppm, part = count % 1'000'000 * ppm;
  return static_cast<size_t>(std::max<int64_t>(whole + (part + 999'999) / 1'000'000, 1) - 1);
}

// What one thread has in hand: a key, and a column of it.
class KeyWindows {
 public:
  //   names  of the labels, for messages; empty: their rows
  KeyWindows(const KeyRuns& rows, const KeyRuns& labels, std::span<const int64_t> names,
             std::span<const int64_t> windows_us, bool created_cut)
      : rows_(rows),
        labels_(labels),
        names_(names),
        windows_us_(windows_us),
        cut_(created_cut && !rows.created_us().empty()) {}

  Status Aggregate(size_t key, std::span<Column> columns) {
    const auto [first_label, labels_end] = labels_.run(key);
    if (first_label == labels_end) return Status::OK();
    std::tie(begin_, end_) = std::pair(rows_.run(key).begin, rows_.run(key).end);
    label_us_ = labels_.event_us().subspan(first_label, labels_end - first_label);
    label_rows_ = labels_.values(0).subspan(first_label, labels_end - first_label);
    has_whole_ = false;
    for (Column& column : columns) {
      frame_ = FrameOf(column);
      SALVER_RETURN_NOT_OK(Sums(column));
      Variances(column);
      Codes(column);
      Places(column);
    }
    return Status::OK();
  }

 private:
  // The windows over the column's rows that are not null. Columns without nulls share one.
  const WindowFrame* FrameOf(const Column& column) {
    const auto event_us = rows_.event_us().subspan(begin_, end_ - begin_);
    const auto created_us =
        cut_ ? rows_.created_us().subspan(begin_, end_ - begin_) : std::span<const int64_t>();
    without_nulls_ = column.values.has_nulls();
    if (!without_nulls_) {
      if (!has_whole_) whole_.Fill(event_us, created_us, label_us_, windows_us_);
      has_whole_ = true;
      return &whole_;
    }
    kept_.clear();
    kept_event_us_.clear();
    kept_created_us_.clear();
    for (size_t row = 0; row < event_us.size(); ++row) {
      if (column.values.IsNull(begin_ + row)) continue;
      kept_.push_back(row);
      kept_event_us_.push_back(event_us[row]);
      if (cut_) kept_created_us_.push_back(created_us[row]);
    }
    part_.Fill(kept_event_us_, kept_created_us_, label_us_, windows_us_);
    return &part_;
  }

  size_t LabelRow(size_t label) const { return static_cast<size_t>(label_rows_[label]); }

  // Adds up the windows of each label, the shorter within the longer, newest row first.
  //   add(row, &state)   emit(label, asked, state)
  template <typename State, typename AddRow, typename Emit>
  void AddUp(const std::vector<Asked>& all, BlockTree<State>* blocks, const AddRow& add, const Emit& emit) {
    const WindowFrame& frame = *frame_;
    const bool use_blocks = frame.longest() >= kBlocksFrom;
    if (use_blocks) blocks->Build(frame.row_count(), add);
    for (size_t label = 0; label < frame.label_count(); ++label) {
      State state;
      size_t at = frame.end(label);
      for (const Asked& asked : all) {
        const size_t begin = frame.begin(label, asked.window);
        if (frame.hides(label)) {
          for (; at > begin; --at) {
            if (!frame.IsHidden(label, at - 1)) add(at - 1, &state);
          }
        } else if (use_blocks) {
          blocks->AddRange(begin, at, add, &state);
          at = begin;
        } else {
          while (at > begin) add(--at, &state);
        }
        emit(label, asked, state);
      }
    }
  }

  Status Sums(const Column& column) {
    if (column.sums.empty()) return Status::OK();
    if (column.values.is_float()) {
      column.values.Floats(begin_, end_, &floats_);
      AddUp(
          column.sums, &float_sums_, [&](size_t row, CompensatedSum* sum) { sum->Add(floats_[row]); },
          [&](size_t label, const Asked& asked, const CompensatedSum& sum) {
            const int64_t count = frame_->CountRows(label, asked.window);
            if (count == 0) return;
            const bool mean = asked.kind.function == Function::kMean;
            asked.answers->Set(LabelRow(label),
                               mean ? sum.Value() / static_cast<double>(count) : sum.Value());
          });
      return Status::OK();
    }
    column.values.Integers(begin_, end_, &integers_);
    Status status;
    AddUp(
        column.sums, &integer_sums_, [&](size_t row, IntegerSum* sum) { sum->sum += integers_[row]; },
        [&](size_t label, const Asked& asked, const IntegerSum& sum) {
          const int64_t count = frame_->CountRows(label, asked.window);
          if (count == 0) return;
          if (asked.kind.function == Function::kMean) {
            const long double total = static_cast<long double>(sum.sum);
            asked.answers->Set(LabelRow(label), static_cast<double>(total / static_cast<long double>(count)));
          } else if (sum.sum == static_cast<int64_t>(sum.sum)) {
            asked.answers->Set(LabelRow(label), static_cast<int64_t>(sum.sum));
          } else if (status.ok()) {
            status = BeyondInt64(*column.what, label);
          }
        });
    return status;
  }

  Status BeyondInt64(const std::string& what, size_t label) const {
    const int64_t row = names_.empty() ? label_rows_[label] : names_[LabelRow(label)];
    return Status::InvalidArgument(
        what + ": the sum of its window at entity row " + std::to_string(row) +
            " is beyond INT64. Make the column DOUBLE in the source, or ask for the mean.",
        Reason::kBadFeatureValue);
  }

  void Variances(const Column& column) {
    if (column.moments.empty()) return;
    if (column.values.is_float()) {
      column.values.Floats(begin_, end_, &floats_);
    } else {
      column.values.Integers(begin_, end_, &integers_);
      floats_.assign(integers_.begin(), integers_.end());
    }
    AddUp(
        column.moments, &moments_, [&](size_t row, Moments* moments) { moments->Add(floats_[row]); },
        [&](size_t label, const Asked& asked, const Moments& moments) {
          const int64_t count = frame_->CountRows(label, asked.window);
          if (count < 2) return;
          const double variance = moments.Variance(count);
          const bool root = asked.kind.function == Function::kStd;
          asked.answers->Set(LabelRow(label), root ? std::sqrt(variance) : variance);
        });
  }

  // Functions that only compare values.
  void Codes(const Column& column) {
    if (column.extremes.empty() && column.distincts.empty() && column.quantiles.empty()) return;
    if (column.values.is_float()) {
      column.values.Floats(begin_, end_, &floats_);
      codes_.resize(floats_.size());
      std::transform(floats_.begin(), floats_.end(), codes_.begin(), OrderCode);
    } else {
      column.values.Integers(begin_, end_, &codes_);
    }
    AddUp(
        column.extremes, &extreme_blocks_,
        [&](size_t row, Extremes* extremes) { extremes->Add(codes_[row]); },
        [&](size_t label, const Asked& asked, const Extremes& extremes) {
          if (frame_->CountRows(label, asked.window) == 0) return;
          asked.answers->Set(LabelRow(label),
                             asked.kind.function == Function::kMin ? extremes.min : extremes.max);
        });
    if (!column.distincts.empty()) distinct_.Link(codes_);
    for (const Asked& asked : column.distincts) Distinct(asked);
    if (!column.quantiles.empty()) rank_.Rank(codes_);
    for (const Asked& asked : column.quantiles) Quantile(asked);
  }

  // The codes of a window's rows that are not hidden, in order of value.
  const std::vector<int64_t>& SortedCodes(size_t label, const Asked& asked) {
    seen_.clear();
    for (size_t row = frame_->begin(label, asked.window); row < frame_->end(label); ++row) {
      if (!frame_->IsHidden(label, row)) seen_.push_back(codes_[row]);
    }
    std::sort(seen_.begin(), seen_.end());
    return seen_;
  }

  void Distinct(const Asked& asked) {
    distinct_.Restart();
    for (size_t label = 0; label < frame_->label_count(); ++label) {
      int64_t count = 0;
      if (frame_->hides(label)) {
        SortedCodes(label, asked);
        count = std::unique(seen_.begin(), seen_.end()) - seen_.begin();
      } else {
        count = distinct_.MoveTo(frame_->begin(label, asked.window), frame_->end(label));
      }
      asked.answers->Set(LabelRow(label), count);
    }
  }

  void Quantile(const Asked& asked) {
    rank_.Restart();
    for (size_t label = 0; label < frame_->label_count(); ++label) {
      const int64_t count = frame_->CountRows(label, asked.window);
      if (count == 0) continue;
      const size_t rank = RankOf(asked.kind.quantile_ppm, count);
      if (frame_->hides(label)) {
        asked.answers->Set(LabelRow(label), SortedCodes(label, asked)[rank]);
      } else {
        rank_.MoveTo(frame_->begin(label, asked.window), frame_->end(label));
        asked.answers->Set(LabelRow(label), rank_.Select(rank));
      }
    }
  }

  void Places(const Column& column) {
    for (const Asked& asked : column.places) {
      for (size_t label = 0; label < frame_->label_count(); ++label) {
        size_t begin = frame_->begin(label, asked.window), end = frame_->end(label);
        const bool hides = frame_->hides(label);
        if (asked.kind.function == Function::kCount) {
          asked.answers->Set(LabelRow(label), frame_->CountRows(label, asked.window));
        } else if (asked.kind.function == Function::kFirst) {
          while (hides && begin < end && frame_->IsHidden(label, begin)) ++begin;
          if (begin < end) asked.answers->Set(LabelRow(label), RowOf(begin));
        } else {
          while (hides && begin < end && frame_->IsHidden(label, end - 1)) --end;
          if (begin < end) asked.answers->Set(LabelRow(label), RowOf(end - 1));
        }
      }
    }
  }

  // The row of the KeyRuns that is the i-th of the frame.
  int64_t RowOf(size_t i) const { return static_cast<int64_t>(begin_ + (without_nulls_ ? kept_[i] : i)); }

  const KeyRuns& rows_;
  const KeyRuns& labels_;
  const std::span<const int64_t> names_;
  const std::span<const int64_t> windows_us_;
  const bool cut_;

  size_t begin_ = 0, end_ = 0;  // the key's rows
  std::span<const int64_t> label_us_, label_rows_;
  WindowFrame whole_, part_;
  bool has_whole_ = false, without_nulls_ = false;
  const WindowFrame* frame_ = nullptr;
  std::vector<size_t> kept_;
  std::vector<int64_t> kept_event_us_, kept_created_us_;

  std::vector<double> floats_;
  std::vector<int64_t> integers_, codes_, seen_;
  BlockTree<CompensatedSum> float_sums_;
  BlockTree<IntegerSum> integer_sums_;
  BlockTree<Moments> moments_;
  BlockTree<Extremes> extreme_blocks_;
  SlidingDistinct distinct_;
  SlidingRank rank_;
};

// Lengths that are asked for, each once, shortest first; 0 is the longest.
std::vector<int64_t> WindowsOf(std::span<const WindowColumn> columns) {
  std::vector<int64_t> windows;
  for (const WindowColumn& column : columns) {
    for (const WindowFunction& function : column.functions) windows.push_back(function.window_us);
  }
  std::sort(windows.begin(), windows.end(),
            [](int64_t a, int64_t b) { return static_cast<uint64_t>(a) - 1 < static_cast<uint64_t>(b) - 1; });
  windows.erase(std::unique(windows.begin(), windows.end()), windows.end());
  return windows;
}

std::vector<Asked>* FamilyOf(Function function, Column* column) {
  switch (function) {
    case Function::kSum:
    case Function::kMean:
      return &column->sums;
    case Function::kStd:
    case Function::kVar:
      return &column->moments;
    case Function::kMin:
    case Function::kMax:
      return &column->extremes;
    case Function::kCountDistinct:
      return &column->distincts;
    case Function::kApproxQuantile:
      return &column->quantiles;
    default:
      return &column->places;
  }
}

// The column with its functions by family; `answers` has one for each.
Result<Column> Prepare(const WindowColumn& from, std::span<const int64_t> windows,
                       std::span<Answers> answers) {
  std::vector<AggregateKind> kinds;
  for (const WindowFunction& function : from.functions) kinds.push_back(function.kind);
  SALVER_ASSIGN(auto values, WindowValues::Make(from.values, kinds, from.what));
  Column column{.values = std::move(values), .what = &from.what};
  for (size_t window = 0; window < windows.size(); ++window) {
    for (size_t i = 0; i < kinds.size(); ++i) {
      if (from.functions[i].window_us == windows[window])
        FamilyOf(kinds[i].function, &column)->push_back({kinds[i], window, &answers[i]});
    }
  }
  return column;
}

bool CountsNothing(Function function) {
  return function == Function::kCount || function == Function::kCountDistinct;
}

Result<std::shared_ptr<arrow::Array>> Finish(const Column& column, Function function, Answers answers) {
  switch (function) {
    case Function::kSum:
      return AnswerArray(column.values.is_float() ? arrow::float64() : arrow::int64(),
                         std::move(answers.bits), answers.valid);
    case Function::kMean:
    case Function::kStd:
    case Function::kVar:
      return AnswerArray(arrow::float64(), std::move(answers.bits), answers.valid);
    case Function::kCount:
    case Function::kCountDistinct:
      return AnswerArray(arrow::int64(), std::move(answers.bits), answers.valid);
    case Function::kFirst:
    case Function::kLast:
      return column.values.FromRows(std::move(answers.bits), answers.valid);
    default:
      return column.values.FromCodes(std::move(answers.bits), answers.valid);
  }
}

// Ranges of keys of about equal work.
std::vector<size_t> KeyShares(const KeyRuns& rows, const KeyRuns& labels) {
  constexpr size_t kWork = 256 * 1024;
  std::vector<size_t> shares = {0};
  size_t from = 0;
  for (size_t key = 0; key < rows.key_count(); ++key) {
    const size_t done = rows.run(key).end + labels.run(key).end;
    if (done - from < kWork) continue;
    from = done;
    shares.push_back(key + 1);
  }
  if (shares.back() != rows.key_count()) shares.push_back(rows.key_count());
  return shares;
}

// The labels that have a key and a time, by key and time; the value of each is its row.
Result<KeyRuns> LabelRuns(const WindowLabels& labels, size_t key_count, int threads) {
  const size_t room = labels.keys.size();
  KeyRunsBuilder builder({&room, 1}, /*has_created=*/false);
  const auto part = builder.part(0);
  size_t count = 0;
  const auto each = [&](const auto& use) {
    for (size_t row = 0; row < room; ++row) {
      if (labels.keys[row] >= 0 && labels.times[row] != kNoTime) use(row);
    }
  };
  each([&](size_t row) {
    part.keys[count] = static_cast<uint32_t>(labels.keys[row]);
    part.event_us[count++] = labels.times[row];
  });
  builder.SetRows(0, count);
  SALVER_RETURN_NOT_OK(builder.Place(static_cast<int32_t>(key_count), threads));
  const auto rows = builder.AddValues();
  const uint32_t* slot = builder.slots(0).data();
  each([&](size_t row) { rows[*slot++] = static_cast<int64_t>(row); });
  return builder.Finish(threads);
}

}  // namespace

Result<std::vector<arrow::ArrayVector>> AggregateWindows(const KeyRuns& rows,
                                                         std::span<const WindowColumn> columns,
                                                         const WindowLabels& labels,
                                                         const WindowOptions& options) {
  const std::vector<int64_t> windows = WindowsOf(columns);
  SALVER_ASSIGN(const KeyRuns label_runs, LabelRuns(labels, rows.key_count(), options.threads));
  std::vector<std::vector<Answers>> answers(columns.size());
  std::vector<Column> prepared;
  for (size_t i = 0; i < columns.size(); ++i) {
    answers[i].resize(columns[i].functions.size());
    for (size_t k = 0; k < answers[i].size(); ++k) {
      answers[i][k].bits.assign(labels.keys.size(), 0);
      answers[i][k].valid.assign(labels.keys.size(), CountsNothing(columns[i].functions[k].kind.function));
    }
    SALVER_ASSIGN(auto column, Prepare(columns[i], windows, answers[i]));
    prepared.push_back(std::move(column));
  }
  const std::vector<size_t> shares = KeyShares(rows, label_runs);
  std::vector<std::unique_ptr<KeyWindows>> workers(static_cast<size_t>(ThreadCount(options.threads)));
  SALVER_RETURN_NOT_OK(
      ParallelForWorkers(shares.size() - 1, options.threads, [&](size_t share, size_t worker) -> Status {
        if (options.cancelled != nullptr && *options.cancelled)
          return Status::Cancelled("the aggregation was cancelled.");
        auto& in_hand = workers[worker];
        if (in_hand == nullptr)
          in_hand = std::make_unique<KeyWindows>(rows, label_runs, labels.rows, windows, options.created_cut);
        for (size_t key = shares[share]; key < shares[share + 1]; ++key)
          SALVER_RETURN_NOT_OK(in_hand->Aggregate(key, prepared));
        return Status::OK();
      }));
  std::vector<arrow::ArrayVector> arrays(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    for (size_t k = 0; k < answers[i].size(); ++k) {
      SALVER_ASSIGN(auto array,
                    Finish(prepared[i], columns[i].functions[k].kind.function, std::move(answers[i][k])));
      arrays[i].push_back(std::move(array));
    }
  }
  return arrays;
}

}  // namespace salver
