// A MaterializedFeatureStore over a registry, files and a clock of one's own: what tests open.
#pragma once

#include <memory>

#include "groups/group_registry.h"
#include "salver/materialized_feature_store.h"

namespace salver {

Result<std::unique_ptr<MaterializedFeatureStore>> OpenMaterializedStore(
    std::shared_ptr<GroupRegistry> registry, const MaterializedOptions& options);

}  // namespace salver
