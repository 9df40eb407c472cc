// What rules do to plans.
#pragma once

#include "salver/execution_plan.h"

namespace salver {

// Whoever used `from` uses `to` from now on.
void Redirect(NodeId from, NodeId to, ExecutionPlan* plan);

// Drops nodes that the answer does not need.
void DropUnused(ExecutionPlan* plan);

// For each node the first node before it that is `equal` to it is used in its place, and takes over from it
// by `absorb(&first, node)`. True when anything was shared.
template <typename Node, typename Equal, typename Absorb>
bool ShareNodes(ExecutionPlan* plan, Equal equal, Absorb absorb) {
  bool changed = false;
  for (size_t i = 0; i < plan->nodes.size(); ++i) {
    const Node* node = plan->nodes[i].As<Node>();
    if (node == nullptr) continue;
    for (size_t k = 0; k < i; ++k) {
      DAGNode& first = plan->nodes[k];
      if (first.As<Node>() == nullptr || first.inputs != plan->nodes[i].inputs ||
          !equal(*first.As<Node>(), *node)) {
        continue;
      }
      if (plan->UsersOf(plan->nodes[i].id).empty()) break;  // given away before
      absorb(first.As<Node>(), *node);
      Redirect(plan->nodes[i].id, first.id, plan);
      changed = true;
      break;
    }
  }
  DropUnused(plan);
  return changed;
}

}  // namespace salver
