// From an ExecutionPlan to what this engine runs, and back from what it did to a report on the plan.
#pragma once

#include "engine/lowered_plan.h"
#include "salver/status.h"

namespace salver {

// Errors: Unimplemented (kNotExecutedYet) for a node that this engine does not run; Internal for a plan that
// ValidatePlan (plan/validate.h) would refuse.
Result<LoweredPlan> LowerHistorical(const ExecutionPlan& plan);
Result<LatestRowsNode> LowerLatest(const ExecutionPlan& plan);

PlanReport RaiseReport(const ExecutionPlan& plan, const LoweredPlan& lowered, const RunReport& run);

}  // namespace salver
