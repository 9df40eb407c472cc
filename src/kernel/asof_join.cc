#include "kernel/asof_join.h"

#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "kernel/no_time.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

class Holding {
 public:
  explicit Holding(std::atomic_flag* flag) : flag_(flag) {
    while (flag_->test_and_set(std::memory_order_acquire)) flag_->wait(true, std::memory_order_relaxed);
  }
  ~Holding() {
    flag_->clear(std::memory_order_release);
    flag_->notify_one();
  }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

 private:
  std::atomic_flag* const flag_;
};

}  // namespace

AsofJoin::AsofJoin(const LabelIndex& labels, Options options) : labels_(labels), options_(options) {
  slots_.assign(labels.size(), Slot{kNoTime, -1});
  if (options_.has_created) created_us_.assign(labels.size(), kNoCreatedTime);
}

uint64_t AsofJoin::NextId() {
  static std::atomic<uint64_t> next{1};
  return next++;
}

void AsofJoin::Add(const JoinRows& rows, Memory* memory) {
  if (labels_.size() == 0) return;
  LabelIndex::Cursor* const cursors = TakesCursors(rows, memory) ? memory->cursors.data() : nullptr;
  options_.concurrent ? AddRows<true>(rows, cursors) : AddRows<false>(rows, cursors);
}

// Rows whose times only grow need not search: each key has a cursor that goes through its labels once.
bool AsofJoin::TakesCursors(const JoinRows& rows, Memory* memory) const {
  const bool cut = options_.created_cut && !rows.created_us.empty();
  if (cut || rows.event_us.empty() || !std::is_sorted(rows.event_us.begin(), rows.event_us.end()))
    return false;
  if (memory->join != id_ || rows.event_us.front() < memory->last_us) labels_.Start(&memory->cursors);
  memory->join = id_;
  memory->last_us = rows.event_us.back();
  return true;
}

template <bool kConcurrent>
void AsofJoin::AddRows(const JoinRows& rows, LabelIndex::Cursor* cursors) {
  std::array<Seen, kBlock> seen;
  for (size_t begin = 0; begin < rows.keys.size(); begin += kBlock) {
    const size_t end = std::min(begin + kBlock, rows.keys.size());
    const size_t count =
        cursors == nullptr ? See(rows, begin, end, seen) : SeeInOrder(rows, begin, end, cursors, seen);
    for (size_t i = 0; i < count; ++i) {
      const size_t row = seen[i].row, in_part = rows.rows.empty() ? row : rows.rows[row];
      Offer<kConcurrent>(seen[i].slot,
                         {rows.event_us[row], rows.first_position + static_cast<int64_t>(in_part)},
                         rows.created_us.empty() ? kNoCreatedTime : rows.created_us[row]);
    }
  }
}

// Those of rows [begin, end) that some label sees. Nothing here branches on data: which rows are seen can not
// be guessed.
size_t AsofJoin::See(const JoinRows& rows, size_t begin, size_t end, std::span<Seen, kBlock> seen) const {
  const uint32_t* const starts = labels_.starts().data();
  const int64_t* const times = labels_.times().data();
  const int64_t ttl = options_.ttl_max_us;
  const bool cut = options_.created_cut && !rows.created_us.empty();
  std::array<LabelIndex::Search, kBlock> searches;
  size_t asked = 0;
  for (size_t row = begin; row < end; ++row) {
    const int64_t event = rows.event_us[row];
    const int32_t key = rows.keys[row];
    searches[asked].time = cut ? std::max(event, rows.created_us[row]) : event;
    searches[asked].key = static_cast<uint32_t>(key);
    searches[asked].row = static_cast<uint32_t>(row);
    __builtin_prefetch(starts + std::max(key, 0));
    asked += (key >= 0) & (event != kNoTime);
  }
  labels_.Find(std::span(searches).first(asked));
  size_t count = 0;
  for (size_t i = 0; i < asked; ++i) {
    const LabelIndex::Search& found = searches[i];
    const int64_t at = times[std::min<size_t>(found.slot, labels_.size() - 1)];
    seen[count] = {found.slot, found.row};
    __builtin_prefetch(&slots_[found.slot], 1);
    count += (found.left > 0) & ((ttl == 0) | (rows.event_us[found.row] >= at - ttl));
  }
  return count;
}

// The same of rows in the order of time.
size_t AsofJoin::SeeInOrder(const JoinRows& rows, size_t begin, size_t end, LabelIndex::Cursor* cursors,
                            std::span<Seen, kBlock> seen) const {
  const int64_t ttl = options_.ttl_max_us;
  for (size_t row = begin; row < end; ++row) __builtin_prefetch(cursors + std::max(rows.keys[row], 0), 1);
  size_t count = 0;
  for (size_t row = begin; row < end; ++row) {
    const int64_t event = rows.event_us[row];
    if (rows.keys[row] < 0 || event == kNoTime) continue;
    LabelIndex::Cursor& cursor = cursors[rows.keys[row]];
    if (cursor.time < event) labels_.Advance(event, &cursor);
    if (cursor.slot == cursor.end || (ttl != 0 && event < cursor.time - ttl)) continue;
    seen[count++] = {cursor.slot, static_cast<uint32_t>(row)};
    __builtin_prefetch(&slots_[cursor.slot], 1);
  }
  return count;
}

bool AsofJoin::IsNewer(const Slot& row, int64_t created_us, size_t slot) const {
  const Slot& have = slots_[slot];
  if (row.event_us != have.event_us) return row.event_us > have.event_us;
  if (!created_us_.empty() && created_us != created_us_[slot]) return created_us > created_us_[slot];
  return row.position > have.position;
}

template <bool kConcurrent>
void AsofJoin::Offer(size_t slot, Slot row, int64_t created_us) {
  const auto offer = [&] {
    if (!IsNewer(row, created_us, slot)) return;
    if constexpr (kConcurrent) {
      std::atomic_ref(slots_[slot].event_us).store(row.event_us, std::memory_order_relaxed);
    } else {
      slots_[slot].event_us = row.event_us;
    }
    slots_[slot].position = row.position;
    if (!created_us_.empty()) created_us_[slot] = created_us;
  };
  if constexpr (kConcurrent) {
    // Event times of a slot only grow: one that is older already need not wait for the lock.
    if (std::atomic_ref(slots_[slot].event_us).load(std::memory_order_relaxed) > row.event_us) return;
    const Holding holding(&locks_[slot / 64 % locks_.size()].taken);
    offer();
  } else {
    offer();
  }
}

// Makes each slot of these keys hold the newest row that its label sees.
void AsofJoin::HandOn(int32_t first_key, int32_t last_key) {
  const auto starts = labels_.starts();
  for (auto key = static_cast<size_t>(first_key); key < static_cast<size_t>(last_key); ++key) {
    for (size_t slot = starts[key] + 1; slot < starts[key + 1]; ++slot) {
      const int64_t created = created_us_.empty() ? kNoCreatedTime : created_us_[slot - 1];
      if (!IsNewer(slots_[slot - 1], created, slot)) continue;
      slots_[slot] = slots_[slot - 1];
      if (!created_us_.empty()) created_us_[slot] = created;
    }
  }
}

Result<std::vector<LargeVector<int64_t>>> AsofJoin::Finish(std::span<const int64_t> ttls_us, int threads) {
  std::vector<LargeVector<int64_t>> answers(ttls_us.size());
  for (auto& positions : answers) positions.assign(labels_.label_count(), -1);
  SALVER_RETURN_NOT_OK(labels_.ForKeyRanges(threads, [&](int32_t first_key, int32_t last_key) {
    HandOn(first_key, last_key);
    const size_t begin = labels_.starts()[static_cast<size_t>(first_key)],
                 end = labels_.starts()[static_cast<size_t>(last_key)];
    for (size_t i = 0; i < ttls_us.size(); ++i) {
      for (size_t slot = begin; slot < end; ++slot) {
        if (slots_[slot].position >= 0 && IsVisible(slots_[slot].event_us, labels_.times()[slot], ttls_us[i]))
          answers[i][labels_.rows()[slot]] = slots_[slot].position;
      }
    }
  }));
  slots_ = {};
  created_us_ = {};
  return answers;
}

}  // namespace salver
