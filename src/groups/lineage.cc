#include "groups/lineage.h"

#include <algorithm>

namespace salver {
namespace {

std::string GroupPart(const std::string& node) {
  return node.substr(0, node.find(':'));
}

// True when a path that reaches `node` has come back to `start`: the same, or one holds the other.
bool SameThing(const std::string& node, const std::string& start) {
  return node == start || (node == GroupPart(start)) || (GroupPart(node) == start);
}

}  // namespace

std::vector<std::string> LineageGraph::Inputs(const std::string& node) const {
  const auto found = inputs_.find(node);
  return found == inputs_.end() ? std::vector<std::string>() : found->second;
}

std::vector<std::string> LineageGraph::Dependents(const std::string& node) const {
  std::vector<std::string> dependents;
  for (const auto& [dependent, inputs] : inputs_) {
    if (std::find(inputs.begin(), inputs.end(), node) != inputs.end()) dependents.push_back(dependent);
  }
  return dependents;
}

std::vector<std::string> LineageGraph::Steps(const std::string& node) const {
  std::vector<std::string> steps = Inputs(node);
  const auto add = [&](const std::vector<std::string>& more) {
    steps.insert(steps.end(), more.begin(), more.end());
  };
  if (node.find(':') != std::string::npos) {
    add(Inputs(GroupPart(node)));
    return steps;
  }
  for (const auto& [other, inputs] : inputs_) {
    if (other != node && GroupPart(other) == node) add(inputs);
  }
  // What a group's own features are made from within it is no input of the group.
  std::erase_if(steps, [&](const std::string& step) { return step != node && GroupPart(step) == node; });
  return steps;
}

std::vector<std::string> LineageGraph::AllInputs(const std::string& node) const {
  std::set<std::string> seen;
  std::vector<std::string> open = Steps(node);
  while (!open.empty()) {
    const std::string next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    for (std::string& step : Steps(next)) open.push_back(std::move(step));
  }
  return {seen.begin(), seen.end()};
}

std::vector<std::string> LineageGraph::AllDependents(const std::string& node) const {
  std::vector<std::string> dependents;
  for (const auto& [other, inputs] : inputs_) {
    const auto all = AllInputs(other);
    const bool reaches =
        std::any_of(all.begin(), all.end(), [&](const std::string& input) { return SameThing(input, node); });
    if (reaches && !SameThing(other, node)) dependents.push_back(other);
  }
  return dependents;
}

std::string LineageGraph::CycleThrough(const std::string& node) const {
  for (const std::string& input : Inputs(node)) {
    if (SameThing(input, node)) return node + " -> " + input;
  }
  std::set<std::string> seen;
  std::vector<std::string> path = {node};
  if (!FindPath(node, node, &seen, &path)) return "";
  std::string text;
  for (const std::string& step : path) text += (text.empty() ? "" : " -> ") + step;
  return text;
}

bool LineageGraph::FindPath(const std::string& from, const std::string& to, std::set<std::string>* seen,
                            std::vector<std::string>* path) const {
  for (const std::string& step : Steps(from)) {
    path->push_back(step);
    if (SameThing(step, to)) return true;
    if (seen->insert(step).second && FindPath(step, to, seen, path)) return true;
    path->pop_back();
  }
  return false;
}

}  // namespace salver
