// From history to the online store, and from pushed rows to it. Both end in OnlineStore::Write, which keeps
// the newest row of each key.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "engine/compute_engine.h"
#include "salver/feature_store.h"
#include "salver/online_store.h"
#include "salver/registry.h"
#include "salver/registry_snapshot.h"

namespace arrow {
class Table;
}

namespace salver {

struct MaterializeContext {
  std::string folder;  // where relative source paths start
  std::string project;
  Registry* registry = nullptr;
  OnlineStore* online_store = nullptr;
  ComputeEngine* engine = nullptr;
  Clock* clock = Clock::System();
  int entity_key_version = 3;
};

// Materializes the views that `options` names, one after another. The interval of a view is recorded in the
// registry after its rows are durable, never before: a run that fails or is killed claims nothing it did not
// write, and running it again gives the same rows. Errors: InvalidArgument for a bad range or a view that can
// not be materialized, before anything is written.
Result<MaterializeReport> Materialize(const RegistrySnapshot& snapshot, const MaterializeOptions& options,
                                      const MaterializeContext& context);

// Writes rows that a caller hands over (push, write_to_online_store). Needs the join keys, all features, and
// the source's event time column; the created column where the rows have it. Errors: InvalidArgument
// (kMissingColumns, kBadFeatureValue, kBadTimestamp) naming the column; nothing is written.
Status WriteRows(const FeatureView& view, const arrow::Table& rows, const MaterializeContext& context);

}  // namespace salver
