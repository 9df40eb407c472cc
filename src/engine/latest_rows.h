// The newest row of each key of a source in a range of time: what materialization reads.
#pragma once

#include <memory>

#include "engine/lowered_plan.h"
#include "salver/compute_engine.h"

namespace salver {

Result<std::unique_ptr<LatestRows>> ReadLatestRows(const LatestRowsNode& node,
                                                   const ExecutionContext& context);

}  // namespace salver
