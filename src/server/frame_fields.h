// What the doors that take rows share: which columns rows for a view have, and where a push goes.
#pragma once

#include <string_view>
#include <vector>

#include "salver/feature_store.h"
#include "salver/feature_view.h"
#include "salver/registry_snapshot.h"

namespace salver {

// Join keys, features, and the times of the view's sources.
std::vector<Field> FrameFields(const FeatureView& view);

// The same of all views that the push source feeds; none when there is no such view.
std::vector<Field> PushFields(const RegistrySnapshot& snapshot, std::string_view push_source);

// "online", "offline" or "online_and_offline". Errors: InvalidArgument (kBadPushMode).
Result<PushTarget> PushTargetNamed(std::string_view name);

}  // namespace salver
