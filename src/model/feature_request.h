// What a request asks for, resolved against a registry snapshot: from "view:feature" or a feature service to
// projections of views. Historical retrieval and serving both start here, so that both mean the same.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "salver/registry_snapshot.h"
#include "salver/status.h"

namespace salver {

struct RequestedFeature {
  ColumnId column = 0;  // of the view
  size_t position = 0;  // among all requested features
  std::string name;     // in the answer: "feature", or "view__feature" with full names
};

struct RequestedView {
  std::shared_ptr<const FeatureView> view;
  std::string name;                                 // alias, or the view's name
  std::map<std::string, std::string> join_key_map;  // view's join key -> column of the entity rows
  std::vector<RequestedFeature> features;

  // Column of the entity rows that holds join key `name`.
  const std::string& EntityColumn(const std::string& join_key) const {
    const auto found = join_key_map.find(join_key);
    return found == join_key_map.end() ? join_key : found->second;
  }
};

struct FeatureReference {
  std::string_view view, feature;
};

// The parts of "view:feature". Errors: InvalidArgument (kBadFeatureReference) where one is missing;
// Unimplemented (kVersionedReference) for "view@v2:feature".
Result<FeatureReference> ParseFeatureReference(std::string_view text);

// Errors, each with its Reason: no features, both ways at once, a malformed or versioned reference, unknown
// view, feature or service (with the nearest name), two features of one name, a view that is not executed
// yet.
Result<std::vector<RequestedView>> ResolveFeatures(const RegistrySnapshot& snapshot,
                                                   std::span<const std::string_view> features,
                                                   std::string_view feature_service, bool full_feature_names);

}  // namespace salver
