// The part of a plan's validation that opens its sources.
#pragma once

#include "plan/problems.h"
#include "salver/execution_plan.h"
#include "salver/offline_store.h"

namespace salver {

// Adds: sources that can not be opened, columns that are not there, types that can not be read as declared,
// join keys of a type that no key can have. Gives fields that were registered without a type the type that
// their source column has.
void CheckSources(OfflineStore* offline, ExecutionPlan* plan, Problems* problems);

}  // namespace salver
