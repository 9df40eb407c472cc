// The value of a given rank in a window, while it slides forward over a key's rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace salver {

// A Fenwick tree over the ranks of the key's rows counts which of them the window holds: exact, whatever the
// window. Uses its memory again from key to key.
class SlidingRank {
 public:
  // Ranks the rows of a key. O(rows log rows).
  void Rank(std::span<const int64_t> values);
  // An empty window at the first row.
  void Restart();
  // The window of rows [begin, end), neither of which may go back. O(log rows) a row passed.
  void MoveTo(size_t begin, size_t end);
  // The value that `rank` rows of the window come before, in order of value. O(log rows).
  //   rank  below the rows of the window.
  int64_t Select(size_t rank) const;

 private:
  void Count(size_t row, int32_t change);

  std::vector<int64_t> sorted_;
  std::vector<uint32_t> order_, rank_of_;
  std::vector<int32_t> counts_;  // the tree, from 1
  size_t begin_ = 0, end_ = 0;
};

}  // namespace salver
