// FeatureStoreMetadata: which feature groups there are, in which versions, what each feature is made from,
// and whether all of it is well. Kept in the registry, where each version of a group is a feature view called
// <group>_v<version>, so that Feast reads it too.
//
// Versions live side by side: "driver_stats" is the newest, "driver_stats@v1" the first;
// "driver_stats@v1:trips" a feature of it. What would break readers or writers (BreakingChanges) needs a new
// version.
//
// Errors: NotFound (kFeatureGroupNotFound, kFeatureNotFound) with the nearest name; InvalidArgument or
//         FailedPrecondition (kMetadata); kFeatureRegistry when the registry can not be read or written.
// Thread safety: all methods from any thread and any process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "salver/feature_schema.h"
#include "salver/status.h"

namespace salver {

// One version of a feature group as it is registered.
struct FeatureGroup {
  FeatureGroupSchema schema;
  bool is_virtual = false;
  std::string path;                        // of the table: relative to the repository, or absolute
  std::string format;                      // of the table: "parquet", "delta"
  std::map<std::string, std::string> sql;  // of a virtual group: feature -> SQL
  // Set by the registry.
  std::string view;  // its feature view
  int64_t created_us = 0;
  int64_t last_updated_us = 0;  // of its rows or its SQL, UTC microseconds; of the definition before that
};

// "group", "group:feature", each with or without "@v<version>".
struct FeatureGroupRef {
  std::string group;
  int version = 0;      // 0: the newest
  std::string feature;  // empty: the group
};
// Errors: InvalidArgument (kBadFeatureReference).
Result<FeatureGroupRef> ParseFeatureGroupRef(std::string_view text);

struct RegisteredFeature {
  std::string group;
  int version = 0;
  FeatureSchema schema;
};

// Nodes are "group", "group:feature", or names of what lies outside the feature groups.
struct FeatureLineage {
  std::vector<std::string> inputs, all_inputs;          // what it is made from: directly, and through others
  std::vector<std::string> dependents, all_dependents;  // what is made from it
};

struct HealthCheck {
  std::string name;     // "registry", "table", "lineage", "query executor"
  std::string subject;  // what was looked at
  bool ok = true;
  std::string message;  // what was found
  int64_t duration_us = 0;
};
struct HealthReport {
  std::vector<HealthCheck> checks;
  bool healthy() const {
    for (const HealthCheck& check : checks) {
      if (!check.ok) return false;
    }
    return true;
  }
};

class FeatureStoreMetadata {
 public:
  virtual ~FeatureStoreMetadata() = default;

  // The feature groups of a repository (its feature_store.yaml names project and registry).
  static Result<std::shared_ptr<FeatureStoreMetadata>> Open(const std::string& repository);

  // Adds a version, or changes one in ways that break nobody. Registering what is there changes nothing.
  // Returns what is now registered. Errors: kMetadata for a bad schema (all that is wrong), a breaking change
  // (each, and what to do), a version older than the newest that is not there yet, a view of the repository's
  // own that has the name.
  virtual Result<FeatureGroup> Register(const FeatureGroup& group) = 0;

  virtual Result<FeatureGroup> Get(const std::string& name, int version = 0) = 0;  // 0: the newest
  // By name, then version. All versions, or only the newest of each.
  virtual Result<std::vector<FeatureGroup>> ListFeatureGroups(bool all_versions = true) = 0;
  // Of one group (newest version, or as in the reference), or of all.
  virtual Result<std::vector<RegisteredFeature>> ListFeatures(const std::string& group = "") = 0;

  // Says what a group or a feature is made from, in place of what was said before. A name that is no feature
  // group is taken for something outside. Errors: kMetadata for a cycle, with its path; nothing is changed
  // then.
  virtual Status SetLineage(const std::string& node, const std::vector<std::string>& inputs) = 0;
  virtual Result<FeatureLineage> GetLineage(const std::string& node) = 0;

  // When rows of the group, or its SQL, last changed. UTC microseconds.
  virtual Result<int64_t> GetLastUpdated(const std::string& name) = 0;

  // Looks at the registry, every group's table and the lineage. Problems are in the report, not in a Status.
  virtual HealthReport CheckHealth() = 0;
};

}  // namespace salver
