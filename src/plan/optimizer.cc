#include "plan/optimizer.h"

#include "plan/rules.h"

namespace salver {

std::span<const Rule> OptimizerRules() {
  static constexpr Rule kRules[] = {
      // What is the same is done once; the rules below then see all users of a node.
      {"share_scans", ShareScans},     {"share_keys", ShareKeys},   {"share_transforms", ShareTransforms},
      {"prune_columns", PruneColumns}, {"bound_times", BoundTimes}, {"push_keys", PushKeys},
      {"late_features", LateFeatures},  // of the columns that pruning left
  };
  return kRules;
}

void Optimize(ExecutionPlan* plan) {
  for (const Rule& rule : OptimizerRules()) rule.apply(plan);
}

}  // namespace salver
