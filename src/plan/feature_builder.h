// From feature views to a plan, as plainly as it can be: every view gets a Read, an EncodeKeys and a join of
// its own. What views have in common is found by the optimiser.
//
//   view over a source          Read
//   view with SQL               SqlTransform over the rows of its source, or of its source views
//   view over another view      the rows of that view, with its names
//   view with aggregations      Aggregate over the above, in place of the join
#pragma once

#include <span>
#include <string>

#include "model/feature_request.h"
#include "plan/problems.h"
#include "salver/execution_plan.h"
#include "salver/registry_snapshot.h"
#include "salver/status.h"

namespace salver {

struct HistoricalPlanOptions {
  std::string time_column;  // of the entity rows
  bool created_cut = false;
  int64_t default_ttl_us = 0;  // of views that have none; 0: no lower bound
};

class FeatureBuilder {
 public:
  // `snapshot` knows the views that views are made of.
  explicit FeatureBuilder(const RegistrySnapshot& snapshot) : snapshot_(snapshot) {}

  // The answer of both is a plan that no rule has seen.
  // Errors, all of them at once: a view without a source, of several views without SQL, over an aggregating
  // view; views that are made of each other (the message has the circle); a source view that is not there.
  Result<ExecutionPlan> Historical(std::span<const RequestedView> views,
                                   const HistoricalPlanOptions& options) const;
  // The newest row of each key in `range`. `with_features` false: the keys alone.
  Result<ExecutionPlan> Latest(const FeatureView& view, TimeInterval range, bool with_features = true) const;

 private:
  const RegistrySnapshot& snapshot_;
};

}  // namespace salver
