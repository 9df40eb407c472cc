// How many different values a window holds, while it slides forward over a key's rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace salver {

// A row counts in a window when the row before it with the same value lies outside; so two links a row are
// all that is needed, and they serve windows of every length. Uses its memory again from key to key.
class SlidingDistinct {
 public:
  // Links the rows of a key. O(rows).
  void Link(std::span<const int64_t> values);
  // An empty window at the first row.
  void Restart() { begin_ = end_ = 0, count_ = 0; }
  // Different values of rows [begin, end), neither of which may go back. O(rows passed).
  int64_t MoveTo(size_t begin, size_t end);

 private:
  struct Slot {
    int64_t value;
    uint32_t last = 0;  // number of the value's latest row, from 1; 0: empty
  };
  std::vector<uint32_t> before_, after_;  // of each row, from 1; 0, or past the end: none
  std::vector<Slot> slots_;
  size_t begin_ = 0, end_ = 0;
  int64_t count_ = 0;
};

}  // namespace salver
