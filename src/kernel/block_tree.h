// Partial results over blocks of a sequence, and of blocks of blocks, so that any range of it costs a few
// dozen merges instead of its length.
#pragma once

#include <cstddef>
#include <vector>

namespace salver {

// State is a monoid: a default State is empty, Merge(State) adds what another one has seen.
template <typename State>
class BlockTree {
 public:
  static constexpr size_t kFanout = 32;

  // Made for values 0 .. count - 1; add(i, &state) adds the i-th value. Takes sizeof(State) / 31 bytes a
  // value, and uses its memory again.
  template <typename AddValue>
  void Build(size_t count, const AddValue& add) {
    used_ = 0;
    for (size_t nodes = count / kFanout; nodes > 0; nodes /= kFanout) {
      if (levels_.size() == used_) levels_.emplace_back();
      std::vector<State>& level = levels_[used_++];
      level.assign(nodes, State());
      for (size_t node = 0; node < nodes; ++node) {
        for (size_t i = node * kFanout; i < (node + 1) * kFanout; ++i) {
          if (used_ == 1) {
            add(i, &level[node]);
          } else {
            level[node].Merge(levels_[used_ - 2][i]);
          }
        }
      }
    }
  }

  // Adds values [begin, end) to `state`.
  template <typename AddValue>
  void AddRange(size_t begin, size_t end, const AddValue& add, State* state) const {
    for (size_t level = 0;; ++level) {
      const auto take = [&](size_t i) {
        if (level == 0) {
          add(i, state);
        } else {
          state->Merge(levels_[level - 1][i]);
        }
      };
      if (end - begin <= 2 * kFanout || level == used_) {
        while (begin < end) take(--end);
        return;
      }
      while (begin % kFanout != 0) take(begin++);
      while (end % kFanout != 0) take(--end);
      begin /= kFanout;
      end /= kFanout;
    }
  }

 private:
  std::vector<std::vector<State>> levels_;
  size_t used_ = 0;
};

}  // namespace salver
