#include "plan/plan_edit.h"

#include <algorithm>
#include <set>

namespace salver {

void Redirect(NodeId from, NodeId to, ExecutionPlan* plan) {
  for (DAGNode& node : plan->nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
}

void DropUnused(ExecutionPlan* plan) {
  if (plan->nodes.empty()) return;
  std::set<NodeId> used = {plan->nodes.back().id};
  for (size_t i = plan->nodes.size(); i-- > 0;) {
    const DAGNode& node = plan->nodes[i];
    if (used.contains(node.id)) used.insert(node.inputs.begin(), node.inputs.end());
  }
  std::erase_if(plan->nodes, [&](const DAGNode& node) { return !used.contains(node.id); });
}

}  // namespace salver
