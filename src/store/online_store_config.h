// The section online_store of feature_store.yaml: Feast's keys by type, and Salver's own.
#pragma once

#include <string>

#include "online/online_stores.h"
#include "store/config_values.h"

namespace salver {

struct OnlineStoreContext {
  std::string repository;  // where relative paths start
  std::string project;
  int entity_key_version = 3;
};

// No node: sqlite, as in Feast. "none", "null" or an empty node: no store, type "".
Status ReadOnlineStore(const ConfigValues& values, const YAML::Node& node, const OnlineStoreContext& context,
                       OnlineStoreOptions* to);

// The same as YAML, below "online_store:". No secret is shown.
std::string OnlineStoreYaml(const OnlineStoreOptions& options);

}  // namespace salver
