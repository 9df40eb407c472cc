// A plan's nodes as words.
#pragma once

#include <string>

#include "salver/execution_plan.h"

namespace salver {

enum class PlanText {
  kShort,  // for people: long lists are cut, types are left out
  kFull,   // everything a rule may change
};

// "Read drivers.parquet time=event_timestamp ...": one line, without id and inputs.
std::string NodeText(const DAGNode& node, PlanText style);

// A node a line, in the plan's order: "3 PointInTimeJoin(1, 2) driver_stats ...".
std::string ListText(const ExecutionPlan& plan);

// "none", "36h", "1500us": the largest unit that says it exactly.
std::string DurationText(int64_t micros);

}  // namespace salver
