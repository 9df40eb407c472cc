// A plan for people: a tree, the answer at the top.
#pragma once

#include <string>

#include "salver/execution_plan.h"
#include "salver/plan_report.h"

namespace salver {

// A node a line, behind " | " what `report` (may be null) says of it. A node that several use is shown under
// the first of them with its number, "#3 Read ...", and as "#3 above" under the others.
std::string Explain(const ExecutionPlan& plan, const PlanReport* report);

// The same for programs: {"nodes": [{"id", "kind", "inputs", "text", "report"}, ...], "entity_rows", ...},
// nodes in the plan's order; the last one is the answer. What is not known is left out.
std::string ExplainJson(const ExecutionPlan& plan, const PlanReport* report);

}  // namespace salver
