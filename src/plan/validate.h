// What must be true of a plan before an engine may run it. Sources are another matter: opening them is not
// for this room (engine/check_sources.h).
#pragma once

#include "plan/problems.h"
#include "salver/execution_plan.h"

namespace arrow {
class Schema;
}

namespace salver {

// Adds what is wrong with the graph: circles, inputs that are not in the plan, come later or give something
// else than the node takes, ids that two nodes have, nodes that nothing uses, features of one name or place,
// places of the answer that nothing fills. Code Internal: such a plan is a fault of who made it, not of a
// request.
void ValidatePlan(const ExecutionPlan& plan, Problems* problems);

// Adds what the entity rows lack for this plan: join keys, a time column that holds times; and features whose
// name an entity column has.
void ValidateEntities(const ExecutionPlan& plan, const arrow::Schema& entities, Problems* problems);

}  // namespace salver
