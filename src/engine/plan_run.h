// One run of an ExecutionPlan on this machine.
#pragma once

#include <memory>

#include "engine/compute_engine.h"

namespace salver {

Result<std::shared_ptr<arrow::Table>> RunPlan(const ExecutionPlan& plan, const arrow::Table& entities,
                                              const ExecutionContext& context, PlanReport* report);
Result<PlanReport> DescribePlan(const ExecutionPlan& plan, const LabelTimes& labels,
                                const ExecutionContext& context);

// Cancelled once someone asked for it.
Status CheckCancelled(const ExecutionContext& context);

// The fields of a join's keys under the names they have in the source.
std::vector<Field> SourceKeys(const KeyNode& keys, const std::vector<std::string>& key_columns);

}  // namespace salver
