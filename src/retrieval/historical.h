// From a request and a registry snapshot to a RetrievalJob: resolve the features, build the plan, check it
// against the entity rows and the sources, and leave running it to the engine.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "salver/compute_engine.h"
#include "salver/registry_snapshot.h"
#include "salver/retrieval.h"
#include "salver/status.h"

namespace salver {

struct RetrievalContext {
  std::shared_ptr<OfflineStore> offline;
  std::shared_ptr<ComputeEngine> engine;
  Clock* clock = Clock::System();
  int threads = 0;
  bool optimize = true;            // false: the plan runs as it was built; tests compare the two
  int64_t memory_limit_bytes = 0;  // as in ExecutionContext
  std::string spill_folder;
};

// Errors: all of ResolveFeatures, and InvalidArgument (kMissingColumns) that lists every column that the
// entity rows or the sources lack.
Result<std::unique_ptr<RetrievalJob>> PlanHistoricalFeatures(std::shared_ptr<const RegistrySnapshot> snapshot,
                                                             const HistoricalRequest& request,
                                                             const RetrievalContext& context);

}  // namespace salver
