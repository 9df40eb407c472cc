// The optimiser's rules. Each leaves the answer of a plan as it is, and is true when it changed the plan.
// Each has its file in rules/ and its cases in test/cases/plan/.
#pragma once

#include "salver/execution_plan.h"

namespace salver {

// Reads of the same rows become one; it reads the columns of all.
bool ShareScans(ExecutionPlan* plan);
// Encodings of the same entity columns become one.
bool ShareKeys(ExecutionPlan* plan);
// Equal SQL over the same inputs runs once.
bool ShareTransforms(ExecutionPlan* plan);
// A Read has the columns that its users name, and no others. One that feeds SQL keeps all.
bool PruneColumns(ExecutionPlan* plan);
// A Read leaves out rows of times that no join and no range asks for.
bool BoundTimes(ExecutionPlan* plan);
// A Read leaves out rows of keys that no entity row has.
bool PushKeys(ExecutionPlan* plan);
// A Read's columns that only go into the answer are read of the rows that were picked, not of all.
bool LateFeatures(ExecutionPlan* plan);

}  // namespace salver
