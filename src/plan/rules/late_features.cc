#include <algorithm>

#include "plan/columns_used.h"
#include "plan/rules.h"

namespace salver {

bool LateFeatures(ExecutionPlan* plan) {
  bool changed = false;
  for (DAGNode& node : plan->nodes) {
    ReadNode* read = node.As<ReadNode>();
    if (read == nullptr) continue;
    std::vector<std::string> scanned = {read->event_column, read->created_column}, picked;
    bool all = false;
    for (const DAGNode* user : plan->UsersOf(node.id)) {
      const ColumnsUsed used = UsedOf(node.id, *user);
      all = all || used.all;
      scanned.insert(scanned.end(), used.scanned.begin(), used.scanned.end());
      picked.insert(picked.end(), used.picked.begin(), used.picked.end());
    }
    const auto contains = [](const std::vector<std::string>& list, const std::string& column) {
      return std::find(list.begin(), list.end(), column) != list.end();
    };
    std::vector<std::string> late;
    for (const std::string& column : read->columns) {
      if (!all && contains(picked, column) && !contains(scanned, column)) late.push_back(column);
    }
    changed = changed || late != read->late_columns;
    read->late_columns = std::move(late);
  }
  return changed;
}

}  // namespace salver
