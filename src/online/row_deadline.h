// A deadline that a read asks before every row: the clock is looked at for some of them, since a look costs
// about what reading a row does.
#pragma once

#include "salver/deadline.h"

namespace salver {

class RowDeadline {
 public:
  explicit RowDeadline(Deadline deadline) : deadline_(deadline) {}
  bool Passed() {
    if (--unwatched_ > 0) return false;
    unwatched_ = kRowsBetweenLooks;
    return deadline_.Passed();
  }

 private:
  static constexpr int kRowsBetweenLooks = 32;
  const Deadline deadline_;
  int unwatched_ = 1;  // rows until the next look
};

}  // namespace salver
