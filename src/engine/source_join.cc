#include "engine/source_join.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

#include "base/parallel.h"
#include "engine/spilled_rows.h"
#include "kernel/asof_join.h"

namespace salver {
namespace {

class Stopwatch {
 public:
  int64_t Lap() {
    const auto now = std::chrono::steady_clock::now(), start = std::exchange(start_, now);
    return std::chrono::duration_cast<std::chrono::microseconds>(now - start).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class SweptJoin final : public SourceJoin {
 public:
  SweptJoin(SourceJoinOptions options, std::vector<PartTimes> parts)
      : options_(std::move(options)),
        sweep_(options_.labels.keys, options_.labels.times, options_.labels.key_count, std::move(parts),
               Ttls(options_.visibilities), options_.threads) {}

  Status Add(size_t i, const ScannedRows& rows, std::span<const int32_t> key_ids, Memory* memory) override {
    kept_ += std::count_if(key_ids.begin(), key_ids.end(), [](int32_t id) { return id >= 0; });
    return sweep_.Add(i, {rows.first_position, key_ids, rows.event_us, rows.created_us, rows.rows},
                      &memory->sweep);
  }

  Result<std::vector<LargeVector<int64_t>>> Finish(JoinWork* work) override {
    work->rows_kept = kept_;
    std::vector<LargeVector<int64_t>> answers;
    for (size_t i = 0; i < options_.visibilities.size(); ++i) answers.push_back(sweep_.TakeAnswers(i));
    return answers;
  }

 private:
  static std::vector<int64_t> Ttls(std::span<const Visibility> visibilities) {
    std::vector<int64_t> ttls;
    for (const Visibility& visibility : visibilities) ttls.push_back(visibility.ttl_us);
    return ttls;
  }

  const SourceJoinOptions options_;
  AsofSweep sweep_;
  std::atomic<int64_t> kept_{0};
};

// Keeps the rows that may be wanted and builds an index of them: in memory, or where that has a limit that
// they pass, of a range of keys after another from a temporary file.
class IndexedJoin final : public SourceJoin {
 public:
  IndexedJoin(SourceJoinOptions options, size_t groups) : options_(std::move(options)), parts_(groups) {}

  Status Add(size_t i, const ScannedRows& rows, std::span<const int32_t> key_ids, Memory*) override {
    BuildRows part = Candidates(rows, key_ids);
    const int64_t bytes = static_cast<int64_t>(part.keys.size() * BytesARow(!part.created_us.empty()));
    if (options_.memory_bytes > 0 && (bytes_ += bytes) > options_.memory_bytes / 2) {
      SALVER_RETURN_NOT_OK(StartSpilling());
      return spilled_->Add(i, part);
    }
    parts_[i] = std::move(part);
    return Status::OK();
  }

  Result<std::vector<LargeVector<int64_t>>> Finish(JoinWork* work) override {
    std::vector<LargeVector<int64_t>> answers(options_.visibilities.size());
    for (auto& positions : answers) positions.assign(options_.labels.times.size(), -1);
    if (spilled_ == nullptr) {
      SALVER_RETURN_NOT_OK(Join(std::move(parts_), 0, options_.labels.key_count, &answers, work));
      return answers;
    }
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (!parts_[i].keys.empty()) SALVER_RETURN_NOT_OK(spilled_->Add(i, std::exchange(parts_[i], {})));
    }
    work->spilled_bytes = spilled_->bytes();
    for (size_t begin = 0, end = 0; begin < SpilledRows::kRanges; begin = end) {
      end = RangesThatFit(begin);
      Stopwatch stopwatch;
      SALVER_ASSIGN(auto parts, spilled_->Read(begin, end));
      work->index_us += stopwatch.Lap();
      SALVER_RETURN_NOT_OK(
          Join(std::move(parts), spilled_->FirstKey(begin), spilled_->FirstKey(end), &answers, work));
    }
    return answers;
  }

 private:
  // In the parts and then in the index, of which both are there for a while.
  static size_t BytesARow(bool has_created) { return has_created ? 24 + 24 : 16 + 16; }

  Status StartSpilling() {
    const std::lock_guard lock(spill_mutex_);
    if (spilled_ != nullptr) return Status::OK();
    SALVER_ASSIGN(spilled_,
                  SpilledRows::Make(options_.files, options_.spill_folder, options_.labels.key_count));
    return Status::OK();
  }

  // The end of the ranges from `begin` on whose rows fit in memory; one at least.
  size_t RangesThatFit(size_t begin) const {
    int64_t rows = 0;
    size_t end = begin;
    do {
      rows += spilled_->RowsIn(end++);
    } while (end < SpilledRows::kRanges &&
             (rows + spilled_->RowsIn(end)) * static_cast<int64_t>(BytesARow(true)) <= options_.memory_bytes);
    return end;
  }

  // Answers the labels of keys [first_key, end_key), from all rows of those; ids in `parts` count from
  // first_key.
  Status Join(std::vector<BuildRows> parts, int32_t first_key, int32_t end_key,
              std::vector<LargeVector<int64_t>>* answers, JoinWork* work) const {
    Stopwatch stopwatch;
    SALVER_ASSIGN(const auto index, AsofIndex::Make(std::move(parts), end_key - first_key, options_.threads));
    work->rows_kept += static_cast<int64_t>(index.row_count());
    work->index_us += stopwatch.Lap();
    constexpr size_t kLabelsATask = 32 * 1024;
    const size_t labels = options_.labels.times.size(), tasks = (labels + kLabelsATask - 1) / kLabelsATask;
    const bool all = first_key == 0 && end_key == options_.labels.key_count;
    SALVER_RETURN_NOT_OK(ParallelFor(answers->size() * tasks, options_.threads, [&](size_t i) {
      const size_t begin = i % tasks * kLabelsATask, count = std::min(kLabelsATask, labels - begin);
      const Visibility& visibility = options_.visibilities[i / tasks];
      const auto keys = options_.labels.keys.subspan(begin, count);
      const auto times = options_.labels.times.subspan(begin, count);
      const auto positions = std::span((*answers)[i / tasks]).subspan(begin, count);
      all ? index.Join(keys, times, visibility.ttl_us, visibility.created_cut, positions)
          : JoinSome(index, visibility, keys, times, first_key, end_key, positions);
      return Status::OK();
    }));
    work->join_us += stopwatch.Lap();
    return Status::OK();
  }

  static void JoinSome(const AsofIndex& index, const Visibility& visibility, std::span<const int32_t> keys,
                       std::span<const int64_t> times, int32_t first_key, int32_t end_key,
                       std::span<int64_t> positions) {
    std::vector<int32_t> some_keys;
    std::vector<int64_t> some_times;
    std::vector<size_t> rows;
    for (size_t row = 0; row < keys.size(); ++row) {
      if (keys[row] < first_key || keys[row] >= end_key) continue;
      some_keys.push_back(keys[row] - first_key);
      some_times.push_back(times[row]);
      rows.push_back(row);
    }
    std::vector<int64_t> found(rows.size());
    index.Join(some_keys, some_times, visibility.ttl_us, visibility.created_cut, found);
    for (size_t i = 0; i < rows.size(); ++i) positions[rows[i]] = found[i];
  }

  // Rows of a key that is asked for, at a time that may be.
  BuildRows Candidates(const ScannedRows& rows, std::span<const int32_t> ids) const {
    const auto wanted = [&](size_t row) {
      return ids[row] >= 0 && rows.event_us[row] >= options_.min_us && rows.event_us[row] <= options_.max_us;
    };
    size_t count = 0;
    for (size_t row = 0; row < ids.size(); ++row) count += wanted(row);
    BuildRows build{.first_position = rows.first_position};
    build.keys.reserve(count);
    build.event_us.reserve(count);
    build.rows.reserve(count);
    if (!rows.created_us.empty()) build.created_us.reserve(count);
    for (size_t row = 0; row < ids.size(); ++row) {
      if (!wanted(row)) continue;
      build.keys.push_back(ids[row]);
      build.event_us.push_back(rows.event_us[row]);
      if (!rows.created_us.empty()) build.created_us.push_back(rows.created_us[row]);
      build.rows.push_back(rows.rows.empty() ? static_cast<uint32_t>(row) : rows.rows[row]);
    }
    return build;
  }

  const SourceJoinOptions options_;
  std::vector<BuildRows> parts_;
  std::atomic<int64_t> bytes_{0};  // of all rows so far
  std::mutex spill_mutex_;         // while spilled_ is made
  std::unique_ptr<SpilledRows> spilled_;
};

}  // namespace

std::unique_ptr<SourceJoin> NewSourceJoin(const SourceReader& reader, std::span<const int> groups,
                                          bool has_created, SourceJoinOptions options) {
  std::vector<PartTimes> parts;
  for (const int group : groups) {
    const RowGroup& rows = reader.row_groups()[static_cast<size_t>(group)];
    if (rows.min_event_us && rows.max_event_us) parts.push_back({*rows.min_event_us, *rows.max_event_us});
  }
  const bool cut = std::any_of(options.visibilities.begin(), options.visibilities.end(),
                               [](const Visibility& visibility) { return visibility.created_cut; });
  if (!cut && parts.size() == groups.size() && AsofSweep::CanSweep(parts, has_created))
    return std::make_unique<SweptJoin>(std::move(options), std::move(parts));
  return std::make_unique<IndexedJoin>(std::move(options), groups.size());
}

}  // namespace salver
