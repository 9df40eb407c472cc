// One run of an LoweredPlan on this machine.
#pragma once

#include <memory>

#include "engine/lowered_plan.h"
#include "salver/compute_engine.h"

namespace salver {

Result<std::shared_ptr<arrow::Table>> RunPlan(const LoweredPlan& plan, const arrow::Table& entities,
                                              const ExecutionContext& context, RunReport* report);
Result<RunReport> DescribePlan(const LoweredPlan& plan, const LabelTimes& labels,
                               const ExecutionContext& context);

// Cancelled once someone asked for it.
Status CheckCancelled(const ExecutionContext& context);

}  // namespace salver
