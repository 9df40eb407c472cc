// Aggregates over windows that end at one moment, a row for each key: what materialization reads of a view
// with aggregations.
#pragma once

#include <memory>

#include "engine/lowered_plan.h"
#include "salver/compute_engine.h"

namespace salver {

// `node` has aggregates. A row for each key with a row of the source since the longest window before
// start_us, so that a key whose windows are empty by now is told so. Event times are end_us. All answers are
// in memory at once.
Result<std::unique_ptr<LatestRows>> ReadWindowRows(const LatestRowsNode& node,
                                                   const ExecutionContext& context);

}  // namespace salver
