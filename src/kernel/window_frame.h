// The windows of one key: which rows each label's windows hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernel/block_tree.h"

namespace salver {

// Labels in time order over rows in time order; a window is a range of rows that ends where the label's
// moment does, so the windows of a label lie within each other. Uses its memory again from key to key.
class WindowFrame {
 public:
  //   event_us    of the rows, ascending.   label_us  of the labels, ascending.
  //   created_us  of the rows; empty: none is hidden. Else a row created after a label's moment is hidden
  //   from it. windows_us  lengths, ascending, but 0, no lower bound, comes last.
  // The spans must live while the frame is used. O(rows + labels) and less where labels are few.
  void Fill(std::span<const int64_t> event_us, std::span<const int64_t> created_us,
            std::span<const int64_t> label_us, std::span<const int64_t> windows_us);

  size_t row_count() const { return event_us_.size(); }
  size_t label_count() const { return ends_.size(); }
  size_t window_count() const { return windows_; }
  size_t longest() const { return longest_; }  // rows of the largest window

  size_t end(size_t label) const { return ends_[label]; }
  size_t begin(size_t label, size_t window) const { return begins_[label * windows_ + window]; }
  // True where one of the rows in the label's longest window is hidden from it; then ask IsHidden of each.
  bool hides(size_t label) const { return !hides_.empty() && hides_[label] != 0; }
  bool IsHidden(size_t label, size_t row) const { return created_us_[row] > label_us_[label]; }
  // Rows of a window that are not hidden.
  int64_t CountRows(size_t label, size_t window) const;

 private:
  struct Latest {  // created time
    int64_t created_us = INT64_MIN;
    void Merge(const Latest& other) {
      if (other.created_us > created_us) created_us = other.created_us;
    }
  };
  void FindHidden();

  std::span<const int64_t> event_us_, created_us_, label_us_;
  size_t windows_ = 0, longest_ = 0;
  std::vector<size_t> ends_, begins_;
  std::vector<uint8_t> hides_;
  BlockTree<Latest> latest_;
};

}  // namespace salver
