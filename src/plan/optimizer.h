// Rewrites a plan so that it reads and computes less, and answers the same.
#pragma once

#include <span>

#include "salver/execution_plan.h"

namespace salver {

struct Rule {
  const char* name;
  bool (*apply)(ExecutionPlan* plan);
};

// In the order that Optimize applies them, once each.
std::span<const Rule> OptimizerRules();

void Optimize(ExecutionPlan* plan);

}  // namespace salver
