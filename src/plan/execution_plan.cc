#include "salver/execution_plan.h"

#include <algorithm>

namespace salver {

const char* KindName(const DAGNode& node) {
  constexpr const char* kNames[] = {"Read",      "SqlTransform", "EncodeKeys", "PointInTimeJoin",
                                    "Aggregate", "Gather",       "NewestRows"};
  static_assert(std::size(kNames) == std::variant_size_v<DAGNode::Payload>);
  return kNames[node.payload.index()];
}

const DAGNode* ExecutionPlan::Find(NodeId id) const {
  const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const DAGNode& n) { return n.id == id; });
  return found == nodes.end() ? nullptr : &*found;
}

DAGNode* ExecutionPlan::Find(NodeId id) {
  return const_cast<DAGNode*>(std::as_const(*this).Find(id));
}

std::vector<const DAGNode*> ExecutionPlan::UsersOf(NodeId id) const {
  std::vector<const DAGNode*> users;
  for (const DAGNode& node : nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end()) users.push_back(&node);
  }
  return users;
}

NodeId ExecutionPlan::Add(std::vector<NodeId> inputs, DAGNode::Payload payload) {
  NodeId id = 1;
  for (const DAGNode& node : nodes) id = std::max(id, node.id + 1);
  nodes.push_back({id, std::move(inputs), std::move(payload)});
  return id;
}

}  // namespace salver
