// VirtualizedFeatureStore keeps feature groups whose features are SQL: nothing is stored, values are computed
// when they are asked for, for the entities that are asked for.
//
//   auto store = VirtualizedFeatureStore::Open("feature_repo", {});
//   (*store)->DefineVirtualFeatures(schema, {{"trips_7d", "SELECT driver_id, day AS event_timestamp, ..."}});
//   (*store)->GetFeatures({.names = {"driver_activity:trips_7d"}, .entity_ids = ids});
//
// Each SQL is one SELECT with the entity keys, the timestamp key if the group has one, and the feature;
// columns beside these are passed over. Features with the same text are one query. It can select from every
// file source of the project, by its name, and from every materialized feature group, by its name (newest
// version) or its view's name. Rows are seen at a moment as those of a table are; without a timestamp key
// there is one row a key, of any moment.
//
// Thread safety: all methods from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "salver/feature_group_request.h"
#include "salver/feature_store_metadata.h"
#include "salver/query_executor.h"
#include "salver/status.h"

namespace salver {

struct VirtualizedOptions {
  DuckDBQueryExecutorOptions duckdb;        // of the executor that is made when none is given
  std::shared_ptr<QueryExecutor> executor;  // null: DuckDB's
};

class VirtualizedFeatureStore : public FeatureGroupReader {
 public:
  static Result<std::unique_ptr<VirtualizedFeatureStore>> Open(const std::string& repository,
                                                               const VirtualizedOptions& options);

  virtual const std::shared_ptr<FeatureStoreMetadata>& metadata() const = 0;

  // Registers the group; `sql` has a SELECT for each of its features.
  // Errors: those of FeatureStoreMetadata::Register; kMetadata for a feature without SQL or SQL without a
  // feature.
  virtual Result<FeatureGroup> DefineVirtualFeatures(const FeatureGroupSchema& schema,
                                                     const std::map<std::string, std::string>& sql) = 0;

  // How the executor would answer GetFeatures: its plan of each query, the entity filter in it.
  virtual Result<std::string> Explain(const FeatureGroupRequest& request) = 0;

  virtual const std::shared_ptr<QueryExecutor>& executor() const = 0;
  // metadata()->CheckHealth(), and whether the executor answers.
  virtual HealthReport CheckHealth() = 0;
};

}  // namespace salver
