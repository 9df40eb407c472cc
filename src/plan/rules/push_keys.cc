#include <algorithm>

#include "plan/rules.h"

namespace salver {
namespace {

// The key columns that `user` joins rows to its first input's keys by; null when it does not.
const std::vector<std::string>* KeyColumns(const DAGNode& user) {
  if (const auto* join = user.As<PointInTimeJoinNode>()) return &join->key_columns;
  if (const auto* node = user.As<AggregateNode>(); node != nullptr && !node->at) return &node->key_columns;
  return nullptr;
}

// Puts the EncodeKeys nodes of `ids` before the node at `at`, which uses them from now on.
void MoveBefore(const std::vector<NodeId>& ids, size_t at, std::vector<DAGNode>* nodes) {
  std::stable_partition(nodes->begin() + static_cast<ptrdiff_t>(at), nodes->end(), [&](const DAGNode& node) {
    return std::find(ids.begin(), ids.end(), node.id) != ids.end();
  });
}

}  // namespace

bool PushKeys(ExecutionPlan* plan) {
  bool changed = false;
  for (size_t at = 0; at < plan->nodes.size(); ++at) {
    const ReadNode* read = plan->nodes[at].As<ReadNode>();
    if (read == nullptr || !read->asked_keys.empty()) continue;
    std::vector<NodeId> keys;
    std::vector<std::vector<std::string>> asked;
    bool all = true;  // users join on keys
    for (const DAGNode* user : plan->UsersOf(plan->nodes[at].id)) {
      const auto* columns = KeyColumns(*user);
      all = all && columns != nullptr && !columns->empty();
      if (!all) break;
      bool known = false;
      for (size_t i = 0; i < keys.size(); ++i) known |= keys[i] == user->inputs[0] && asked[i] == *columns;
      if (known) continue;
      keys.push_back(user->inputs[0]);
      asked.push_back(*columns);
    }
    if (!all || keys.empty()) continue;
    plan->nodes[at].As<ReadNode>()->asked_keys = std::move(asked);
    plan->nodes[at].inputs = keys;
    MoveBefore(keys, at, &plan->nodes);
    changed = true;
  }
  return changed;
}

}  // namespace salver
