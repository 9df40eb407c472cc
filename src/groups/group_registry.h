// What the files of this room share to reach the registry and to speak of references.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "groups/feature_table.h"
#include "salver/feature_store_metadata.h"
#include "salver/registry.h"

namespace salver {

// The same code and message with the reason that people of feature groups branch on.
Status WithReason(const Status& status, Reason reason);

struct GroupContext {
  std::string repository;  // absolute
  std::string project;
  std::shared_ptr<Registry> registry;
  Files* files = Files::System();
  Clock* clock = Clock::System();
};

// One version of the registry, read.
struct GroupCatalog {
  std::shared_ptr<const feast::core::Registry> registry;
  std::vector<FeatureGroup> groups;  // by name, then version
};

// A FeatureStoreMetadata that the stores of this room use too.
class GroupRegistry : public FeatureStoreMetadata {
 public:
  virtual const GroupContext& context() const = 0;
  // The newest version of the registry; read again only when it changed.
  virtual Result<std::shared_ptr<const GroupCatalog>> Catalog() = 0;
  // Records that rows of this version were written now.
  virtual Status RecordWrite(const std::string& name, int version) = 0;
};
std::shared_ptr<GroupRegistry> NewGroupRegistry(GroupContext context);

// Reads feature_store.yaml, and lets the log be as it says.
Result<GroupContext> OpenGroupContext(const std::string& repository);

// The table of a materialized group.
std::unique_ptr<FeatureTable> TableOf(const FeatureGroup& group, const GroupContext& context,
                                      TableCache* cache);

// The group of that name and version (0: the newest) among `groups`; NotFound with the nearest name.
Result<const FeatureGroup*> FindGroup(const std::vector<FeatureGroup>& groups, const std::string& name,
                                      int version);
// All versions of all groups in the registry, by name, then version.
Result<std::vector<FeatureGroup>> GroupsIn(const feast::core::Registry& registry, const std::string& project);

// How long something took, for reports.
class Stopwatch {
 public:
  int64_t micros() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace salver
