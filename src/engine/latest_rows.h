// The newest row of each key of a source in a range of time: what materialization reads.
#pragma once

#include <memory>

#include "engine/lowered_plan.h"
#include "salver/compute_engine.h"
#include "salver/source_reader.h"

namespace salver {

// Keys and times are read at once; batches read the columns of the newest rows when they are asked for.
// Errors: as OpenSource; ResourceExhausted when what does not fit in memory does not fit on the disk either.
Result<std::unique_ptr<LatestRows>> ReadLatestRows(const LatestRowsNode& node,
                                                   const ExecutionContext& context);
// The same of rows that are open already.
Result<std::unique_ptr<LatestRows>> ReadLatestRows(std::unique_ptr<SourceReader> reader,
                                                   const LatestRowsNode& node,
                                                   const ExecutionContext& context);

}  // namespace salver
