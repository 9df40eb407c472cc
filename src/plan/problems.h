// Everything that is wrong with a plan, collected so that one error says all of it.
#pragma once

#include <string>
#include <vector>

#include "salver/status.h"

namespace salver {

class Problems {
 public:
  // The same text is kept once.
  void Add(std::string problem, Reason reason = Reason::kMissingColumns,
           StatusCode code = StatusCode::kInvalidArgument);
  // Does nothing for OK.
  void Add(const Status& status);
  bool empty() const { return list_.empty(); }
  // A problem a line, with code and reason of the first; OK when there is none.
  Status ToStatus() const;

 private:
  std::vector<std::string> list_;
  StatusCode code_ = StatusCode::kInvalidArgument;
  Reason reason_ = Reason::kNone;
};

}  // namespace salver
