#include "kernel/asof_sweep.h"

#include <algorithm>
#include <boost/sort/spreadsort/integer_sort.hpp>
#include <numeric>

#include "base/parallel.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

constexpr size_t kAhead = 16;  // rows between asking memory for a place and using it

}  // namespace

bool AsofSweep::CanSweep(std::span<const PartTimes> parts, bool has_created) {
  for (size_t i = 1; i < parts.size(); ++i) {
    const bool follows =
        has_created ? parts[i].min_us > parts[i - 1].max_us : parts[i].min_us >= parts[i - 1].max_us;
    if (!follows) return false;
  }
  return true;
}

AsofSweep::AsofSweep(std::span<const int32_t> keys, std::span<const int64_t> times, int32_t key_count,
                     std::vector<PartTimes> parts, std::vector<int64_t> ttls_us, int threads)
    : keys_(keys),
      times_(times),
      key_count_(key_count),
      parts_(std::move(parts)),
      ttls_(std::move(ttls_us)),
      threads_(threads),
      answers_(ttls_.size()),
      ends_(parts_.size()) {
  for (auto& answers : answers_) answers.assign(times.size(), -1);
}

void AsofSweep::Begin() {
  if (parts_.size() > 1) newest_.assign(static_cast<size_t>(key_count_), Newest{});
  ShareOut();
}

// A counting sort of the labels by the part that was running at their moment. Those before the first part can
// match nothing and are left out.
void AsofSweep::ShareOut() {
  constexpr size_t kLabelsATask = 64 * 1024;
  const size_t tasks = (times_.size() + kLabelsATask - 1) / kLabelsATask, parts = parts_.size();
  const auto part_at = [&](size_t row) {
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), times_[row],
                         [](int64_t time, const PartTimes& part) { return time < part.min_us; });
    return keys_[row] < 0 || times_[row] == kNoTime ? 0 : static_cast<size_t>(after - parts_.begin());
  };
  LargeVector<uint32_t> part_of(times_.size());            // 0: none
  std::vector<size_t> places(tasks * (parts + 1) + 1, 0);  // of each part, then of each task
  const auto for_each_row = [&](const auto& work) {
    // Nothing here can fail but for want of memory, which the constructor's caller hears of as an exception.
    (void)ParallelFor(tasks, threads_, [&](size_t task) {
      const size_t end = std::min(times_.size(), (task + 1) * kLabelsATask);
      for (size_t row = task * kLabelsATask; row < end; ++row) work(task, row);
      return Status::OK();
    });
  };
  for_each_row([&](size_t task, size_t row) {
    part_of[row] = static_cast<uint32_t>(part_at(row));
    ++places[part_of[row] * tasks + task + 1];
  });
  std::partial_sum(places.begin(), places.end(), places.begin());
  labels_.resize(times_.size());
  for (size_t part = 1; part <= parts; ++part) starts_.push_back(places[part * tasks]);
  starts_.push_back(times_.size());
  for_each_row([&](size_t task, size_t row) {
    labels_[places[part_of[row] * tasks + task]++] = {times_[row], keys_[row], static_cast<uint32_t>(row)};
  });
}

Status AsofSweep::Add(size_t part, const SweepRows& rows, Memory* memory) {
  std::call_once(begun_, [this] { Begin(); });
  const auto labels = LabelsOf(part);
  boost::sort::spreadsort::integer_sort(
      labels.begin(), labels.end(), [](const Label& label, unsigned shift) { return label.time >> shift; },
      [](const Label& a, const Label& b) { return a.time < b.time; });

  // kNoTime is smaller than any time, so that rows without one stand first.
  std::span<const uint32_t> order;
  SweepRows sorted = rows;
  if (!std::is_sorted(rows.event_us.begin(), rows.event_us.end())) {
    memory->order.resize(rows.event_us.size());
    std::iota(memory->order.begin(), memory->order.end(), 0);
    std::stable_sort(memory->order.begin(), memory->order.end(),
                     [&](uint32_t a, uint32_t b) { return rows.event_us[a] < rows.event_us[b]; });
    const auto arrange = [&](const auto& from, auto* to) {
      to->resize(from.size());
      for (size_t i = 0; i < from.size(); ++i) (*to)[i] = from[memory->order[i]];
      return std::span(std::as_const(*to));
    };
    sorted.keys = arrange(rows.keys, &memory->keys);
    sorted.event_us = arrange(rows.event_us, &memory->event_us);
    sorted.created_us = arrange(rows.created_us, &memory->created_us);
    order = memory->order;
  }
  const size_t first = static_cast<size_t>(
      std::upper_bound(sorted.event_us.begin(), sorted.event_us.end(), kNoTime) - sorted.event_us.begin());
  if (first < sorted.event_us.size() &&
      (sorted.event_us[first] < parts_[part].min_us || sorted.event_us.back() > parts_[part].max_us)) {
    return Status::DataLoss("a row group holds event times that its statistics do not have.");
  }
  if (memory->newest.size() < static_cast<size_t>(key_count_))
    memory->newest.assign(static_cast<size_t>(key_count_), 0);
  PartEnd end;
  sorted.created_us.empty() ? Sweep<false>(part, sorted, order, memory, &end)
                            : Sweep<true>(part, sorted, order, memory, &end);
  HandOn(part, std::move(end));
  return Status::OK();
}

template <bool kCreated>
void AsofSweep::Sweep(size_t part, const SweepRows& rows, std::span<const uint32_t> order, Memory* memory,
                      PartEnd* end) {
  uint32_t* const newest = memory->newest.data();
  const size_t count = rows.keys.size();
  size_t row = 0;
  while (row < count && rows.event_us[row] == kNoTime) ++row;
  const auto take = [&] {
    if (row + kAhead < count && rows.keys[row + kAhead] >= 0)
      __builtin_prefetch(&newest[rows.keys[row + kAhead]], 1);
    const int32_t key = rows.keys[row];
    if (key >= 0) {
      const uint32_t have = newest[key];
      if (!kCreated || have == 0 ||
          IsNewer(rows.event_us[row], rows.created_us[row], rows.event_us[have - 1],
                  rows.created_us[have - 1]))
        newest[key] = static_cast<uint32_t>(row) + 1;
    }
    ++row;
  };
  const auto newest_at = [&](uint32_t number) {
    const size_t at = number - 1, given = order.empty() ? at : order[at];
    return Newest{rows.first_position + static_cast<int64_t>(rows.rows.empty() ? given : rows.rows[given]),
                  rows.event_us[at]};
  };
  for (const Label& label : LabelsOf(part)) {
    while (row < count && rows.event_us[row] <= label.time) take();
    if (const uint32_t have = newest[label.key]; have > 0) {
      Answer(label, newest_at(have));
    } else if (part > 0) {
      end->open.push_back(label);
    }
  }
  const bool last = part + 1 == parts_.size();
  if (last) {
    std::fill_n(newest, key_count_, 0);
    return;
  }
  while (row < count) take();
  const auto leave = [&](int32_t key) {
    if (newest[key] == 0) return;
    end->newest.push_back({key, newest_at(newest[key])});
    newest[key] = 0;
  };
  if (static_cast<size_t>(key_count_) <= count) {
    for (int32_t key = 0; key < key_count_; ++key) leave(key);
  } else {
    for (const int32_t key : rows.keys) {
      if (key >= 0) leave(key);
    }
  }
}

void AsofSweep::Answer(const Label& label, const Newest& newest) {
  for (size_t i = 0; i < ttls_.size(); ++i) {
    if (IsVisible(newest.event_us, label.time, ttls_[i])) answers_[i][label.row] = newest.position;
  }
}

// Parts end in any order and are handed on in theirs: whoever ends the first one that is missing hands on all
// that wait behind it.
void AsofSweep::HandOn(size_t part, PartEnd end) {
  const std::lock_guard lock(mutex_);
  ends_[part] = std::move(end);
  ends_[part].added = true;
  for (; next_ < ends_.size() && ends_[next_].added; ++next_) {
    for (const Label& label : ends_[next_].open) {
      const Newest& newest = newest_[static_cast<size_t>(label.key)];
      if (newest.position >= 0) Answer(label, newest);
    }
    for (const auto& last : ends_[next_].newest) newest_[static_cast<size_t>(last.key)] = last.newest;
    ends_[next_].open = {};
    ends_[next_].newest = {};
  }
  if (next_ < ends_.size()) return;
  labels_ = {};
  newest_ = {};
}

}  // namespace salver
