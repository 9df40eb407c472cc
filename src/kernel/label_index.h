// The labels of a point-in-time join, by key and time: what feature rows look up (asof_join.h). Made once for
// all joins on the same keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/large_vector.h"
#include "salver/status.h"

namespace salver {

// Thread safety: immutable once made.
class LabelIndex {
 public:
  //   keys   N ids of a KeyDictionary, below key_count; -1 matches nothing
  //   times  N UTC microseconds; kNoTime matches nothing
  // Sorts the labels of each key, on `threads` threads. N is below 2^32. Keeps 12 bytes a label and 4 a key.
  static Result<LabelIndex> Make(std::span<const int32_t> keys, std::span<const int64_t> times,
                                 int32_t key_count, int threads);

  // Labels that can match, a slot each: by key, then by time. Those of a key are slots
  // [starts()[key], starts()[key + 1]).
  size_t size() const { return rows_.size(); }
  int32_t key_count() const { return static_cast<int32_t>(starts_.size()) - 1; }
  std::span<const uint32_t> starts() const { return starts_; }
  std::span<const int64_t> times() const { return std::span(times_).first(size()); }
  // Which label each slot is of.
  std::span<const uint32_t> rows() const { return rows_; }
  size_t label_count() const { return label_count_; }  // those that match nothing too

  struct Search {
    int64_t time;
    uint32_t key;   // below key_count
    uint32_t row;   // the caller's
    uint32_t slot;  // found: the key's first label at or after the time
    uint32_t left;  // found: how many labels of the key there are from it on; 0: none, and slot is no slot of
                    // the key
  };
  // Some hundred at most: they are gone through again and again.
  void Find(std::span<Search> searches) const;

  // The label of a key that is the first at or after all times so far, when times only grow. Cursors start
  // with the first labels.
  struct Cursor {
    int64_t time;        // the label's; INT64_MAX behind the last
    uint32_t slot, end;  // end: of the key's slots
  };
  void Start(LargeVector<Cursor>* cursors) const;
  void Advance(int64_t time, Cursor* cursor) const;

  // Calls use(first_key, last_key) for ranges of keys with about as many labels each, on `threads` threads.
  Status ForKeyRanges(int threads, const std::function<void(int32_t, int32_t)>& use) const;

 private:
  void SortKeys(std::span<const int64_t> times, int32_t first, int32_t last);

  LargeVector<uint32_t> starts_, rows_;
  // And one more: the search for a key without labels looks at its slot, which may be behind the last.
  LargeVector<int64_t> times_;
  size_t label_count_ = 0;
};

}  // namespace salver
