// Which feature groups and features are made from which, as a graph of names.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace salver {

// A feature is made from what its group is made from; a group from what its features are.
class LineageGraph {
 public:
  void Set(const std::string& node, std::vector<std::string> inputs) { inputs_[node] = std::move(inputs); }

  // What was said of the node itself; empty when nothing was.
  std::vector<std::string> Inputs(const std::string& node) const;
  std::vector<std::string> Dependents(const std::string& node) const;
  // Through others too, sorted, without the node itself.
  std::vector<std::string> AllInputs(const std::string& node) const;
  std::vector<std::string> AllDependents(const std::string& node) const;
  // "a -> b -> a" for a path from the node back to itself; empty when there is none.
  std::string CycleThrough(const std::string& node) const;

 private:
  // Inputs of the node, of its group if it is a feature, and of its features if it is a group.
  std::vector<std::string> Steps(const std::string& node) const;
  bool FindPath(const std::string& from, const std::string& to, std::set<std::string>* seen,
                std::vector<std::string>* path) const;

  std::map<std::string, std::vector<std::string>> inputs_;
};

}  // namespace salver
