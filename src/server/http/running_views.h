// Feature views that an asynchronous materialization holds. Thread safety: any thread.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace salver {

class RunningViews {
 public:
  // Takes all of `names`, or none: then it returns those that run already. `force` takes them anyway.
  std::vector<std::string> Take(const std::vector<std::string>& names, bool force) {
    std::lock_guard lock(mutex_);
    std::vector<std::string> busy;
    for (const std::string& name : names) {
      if (!force && names_.contains(name)) busy.push_back(name);
    }
    if (busy.empty()) names_.insert(names.begin(), names.end());
    return busy;
  }
  void Release(const std::vector<std::string>& names) {
    std::lock_guard lock(mutex_);
    for (const std::string& name : names) {
      if (const auto found = names_.find(name); found != names_.end()) names_.erase(found);
    }
  }

 private:
  std::mutex mutex_;
  std::multiset<std::string> names_;  // once for each run: a forced one runs beside another
};

}  // namespace salver
