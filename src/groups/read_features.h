// GetFeatures of both kinds of store: names to feature groups, their rows from the store, and the engine's
// own point-in-time join over them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "groups/group_registry.h"
#include "salver/feature_group_request.h"

namespace arrow {
class Schema;
}

namespace salver {

// What is needed of one feature group.
struct GroupNeeds {
  const FeatureGroup* group = nullptr;
  std::vector<std::string> features;
  std::shared_ptr<arrow::Schema> columns;  // keys, event time, features: their stored types
  std::shared_ptr<arrow::Table> keys;  // distinct or not; of the key columns' stored types, named as those
  int64_t max_event_us = 0;            // later rows may be left out
};
// Rows that hold some of the features, with a history of their own.
struct FeatureRows {
  std::vector<std::string> features;
  std::shared_ptr<arrow::Table> rows;  // keys, event time, these features; other keys' rows too, perhaps
};
// The rows of one feature group: each of its features in one of the parts.
using RowsOfGroup = std::function<Result<std::vector<FeatureRows>>(const GroupNeeds& needs)>;

// `is_virtual` says which kind of group the store has; another kind is an error that names the right store.
Result<std::shared_ptr<arrow::Table>> ReadFeatures(GroupRegistry* registry,
                                                   const FeatureGroupRequest& request, bool is_virtual,
                                                   const RowsOfGroup& rows_of);

// What a request comes to: an entry a group.
struct AskedGroups {
  std::shared_ptr<const GroupCatalog> catalog;
  std::vector<GroupNeeds> needs;
};
Result<AskedGroups> ResolveRequest(GroupRegistry* registry, const FeatureGroupRequest& request,
                                   bool is_virtual);

// Columns of a group's stored rows: keys, event time, these features.
Result<std::shared_ptr<arrow::Schema>> StoredColumns(const FeatureGroup& group,
                                                     const std::vector<std::string>& features);

}  // namespace salver
