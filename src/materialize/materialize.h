// From history to the online store, and from pushed rows to it. Both end in OnlineStore::Write, which keeps
// the newest row of each key.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/large_vector.h"
#include "salver/compute_engine.h"
#include "salver/feature_store.h"
#include "salver/online_store.h"
#include "salver/registry.h"
#include "salver/registry_snapshot.h"

namespace arrow {
class Array;
class RecordBatch;
class Table;
}  // namespace arrow

namespace salver {

struct MaterializeContext {
  OfflineStore* offline = nullptr;
  std::string project;
  Registry* registry = nullptr;
  OnlineStore* online_store = nullptr;
  ComputeEngine* engine = nullptr;
  Clock* clock = Clock::System();
  int entity_key_version = 3;
  int64_t memory_limit_bytes =
      0;                     // about what a materialization may use; 0: a quarter of the machine's memory
  std::string spill_folder;  // where sorted runs go that do not fit
  Files* files = nullptr;    // makes them; null: Files::System()
};

// Materializes the views that `options` names, several at once, in bounded memory (docs/materialization.md).
// The interval of a view is recorded in the registry after its rows are durable, never before: a run that
// fails or is killed claims nothing it did not write, and running it again goes on behind the rows that are
// durable. Errors: InvalidArgument for a bad range or a view that can not be materialized, before anything is
// written.
Result<MaterializeReport> Materialize(const RegistrySnapshot& snapshot, const MaterializeOptions& options,
                                      const MaterializeContext& context);

// Rows that a caller hands over for one view, checked and in the types of the view.
struct ViewRows {
  std::shared_ptr<const FeatureView> view;
  std::vector<std::shared_ptr<arrow::Array>> join_keys;
  LargeVector<int64_t> event_us;
  LargeVector<int64_t> created_us;  // empty: the rows have no such column
  std::shared_ptr<arrow::RecordBatch> features;
};

// Needs the join keys, all features, and the source's event time column; the created column where the rows
// have it. Errors: InvalidArgument (kMissingColumns, kNullJoinKey, kBadFeatureValue, kBadTimestamp) naming
// the column.
Result<ViewRows> PrepareRows(std::shared_ptr<const FeatureView> view, const arrow::Table& rows);

// Readable online when this returns.
Status WriteRows(const ViewRows& rows, const MaterializeContext& context);

}  // namespace salver
