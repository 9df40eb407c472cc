// A VirtualizedFeatureStore over a registry, files and a clock of one's own: what tests open.
#pragma once

#include <memory>

#include "groups/group_registry.h"
#include "salver/virtualized_feature_store.h"

namespace salver {

Result<std::unique_ptr<VirtualizedFeatureStore>> OpenVirtualizedStore(std::shared_ptr<GroupRegistry> registry,
                                                                      const VirtualizedOptions& options);

}  // namespace salver
