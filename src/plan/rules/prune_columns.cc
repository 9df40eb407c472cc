#include <algorithm>

#include "plan/columns_used.h"
#include "plan/rules.h"

namespace salver {
namespace {

void AddOnce(const std::string& column, std::vector<std::string>* columns) {
  if (!column.empty() && std::find(columns->begin(), columns->end(), column) == columns->end())
    columns->push_back(column);
}

}  // namespace

bool PruneColumns(ExecutionPlan* plan) {
  bool changed = false;
  for (DAGNode& node : plan->nodes) {
    ReadNode* read = node.As<ReadNode>();
    if (read == nullptr) continue;
    std::vector<std::string> columns;
    AddOnce(read->event_column, &columns);
    AddOnce(read->created_column, &columns);
    bool all = false;
    for (const DAGNode* user : plan->UsersOf(node.id)) {
      const ColumnsUsed used = UsedOf(node.id, *user);
      all = all || used.all;
      for (const std::string& column : used.scanned) AddOnce(column, &columns);
      for (const std::string& column : used.picked) AddOnce(column, &columns);
    }
    if (all || columns == read->columns) continue;
    read->columns = std::move(columns);
    changed = true;
  }
  return changed;
}

}  // namespace salver
