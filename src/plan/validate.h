// What must be true of a plan before an engine may run it. Sources are another matter: opening them is not
// for this room (engine/check_sources.h).
#pragma once

#include "plan/problems.h"
#include "salver/execution_plan.h"

namespace arrow {
class Schema;
}

namespace salver {

// Adds what the entity rows lack for this plan: join keys, a time column that holds times; and features whose
// name an entity column has.
void ValidateEntities(const ExecutionPlan& plan, const arrow::Schema& entities, Problems* problems);

}  // namespace salver
