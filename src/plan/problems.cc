#include "plan/problems.h"

#include <algorithm>

namespace salver {

void Problems::Add(std::string problem, Reason reason, StatusCode code) {
  if (list_.empty()) {
    reason_ = reason;
    code_ = code;
  }
  if (std::find(list_.begin(), list_.end(), problem) == list_.end()) list_.push_back(std::move(problem));
}

void Problems::Add(const Status& status) {
  if (!status.ok()) Add(status.message(), status.reason(), status.code());
}

Status Problems::ToStatus() const {
  if (list_.empty()) return Status::OK();
  std::string text;
  for (const std::string& problem : list_) text += (text.empty() ? "" : "\n") + problem;
  return Status(code_, std::move(text), reason_);
}

}  // namespace salver
