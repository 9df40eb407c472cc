// A FeatureService is a named selection of features over views, what one model asks for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "salver/feature_view.h"

namespace salver {

// A view as a service or a request uses it: some of its features, perhaps under another name and with other
// join key columns in the entity rows.
struct FeatureViewProjection {
  std::string view;
  std::string alias;                                // empty: the view's own name
  std::vector<std::string> features;                // in service order
  std::map<std::string, std::string> join_key_map;  // view's join key -> column of the entity rows

  const std::string& name() const { return alias.empty() ? view : alias; }
};

struct FeatureService {
  std::string name;
  std::vector<FeatureViewProjection> projections;
  std::map<std::string, std::string> tags;
  std::string description;
  std::string owner;
  bool precompute_online = false;  // online stores that can keep its views' rows together (RowPack)
  int64_t created_us = 0;
  int64_t last_updated_us = 0;
};

}  // namespace salver
