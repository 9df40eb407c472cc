#include "engine/source_join.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/parallel.h"
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
    return sweep_.Add(i, {rows.first_position, key_ids, rows.event_us, rows.created_us}, &memory->sweep);
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

class IndexedJoin final : public SourceJoin {
 public:
  IndexedJoin(SourceJoinOptions options, size_t groups) : options_(std::move(options)), parts_(groups) {}

  Status Add(size_t i, const ScannedRows& rows, std::span<const int32_t> key_ids, Memory*) override {
    parts_[i] = Candidates(rows, key_ids);
    return Status::OK();
  }

  Result<std::vector<LargeVector<int64_t>>> Finish(JoinWork* work) override {
    Stopwatch stopwatch;
    const JoinLabels& labels = options_.labels;
    SALVER_ASSIGN(const auto index, AsofIndex::Make(std::move(parts_), labels.key_count, options_.threads));
    work->rows_kept = static_cast<int64_t>(index.row_count());
    work->index_us = stopwatch.Lap();
    constexpr size_t kLabelsATask = 32 * 1024;
    const size_t tasks = (labels.times.size() + kLabelsATask - 1) / kLabelsATask;
    std::vector<LargeVector<int64_t>> answers(options_.visibilities.size());
    for (auto& positions : answers) positions.resize(labels.times.size());
    SALVER_RETURN_NOT_OK(ParallelFor(answers.size() * tasks, options_.threads, [&](size_t i) {
      const Visibility& visibility = options_.visibilities[i / tasks];
      const size_t begin = i % tasks * kLabelsATask,
                   count = std::min(kLabelsATask, labels.times.size() - begin);
      index.Join(labels.keys.subspan(begin, count), labels.times.subspan(begin, count), visibility.ttl_us,
                 visibility.created_cut, std::span(answers[i / tasks]).subspan(begin, count));
      return Status::OK();
    }));
    work->join_us = stopwatch.Lap();
    return answers;
  }

 private:
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
      build.rows.push_back(static_cast<uint32_t>(row));
    }
    return build;
  }

  const SourceJoinOptions options_;
  std::vector<BuildRows> parts_;
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
