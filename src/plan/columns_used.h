// Which columns of its input's rows a node uses.
#pragma once

#include <string>
#include <vector>

#include "salver/execution_plan.h"

namespace salver {

struct ColumnsUsed {
  bool all = false;                  // more than can be named
  std::vector<std::string> scanned;  // of every row: keys, and what is aggregated
  std::vector<std::string> picked;   // of the rows that the node picks
};

// Of the rows of node `input`. Times are not among them: every node that has rows as input uses them.
ColumnsUsed UsedOf(NodeId input, const DAGNode& user);

}  // namespace salver
