// A feature group as what the registry keeps of it: a feature view whose message carries the rest in fields
// of Salver's own.
#pragma once

#include <string>
#include <string_view>

#include "feast/core/FeatureView.pb.h"
#include "salver/feature_store_metadata.h"
#include "salver/status.h"

namespace salver {

// "driver_stats_v1"
std::string ViewNameOf(std::string_view group, int version);

// The event time column of rows that have no timestamp key.
inline constexpr char kNoTimestampKey[] = "event_timestamp";

// The view of a checked schema, without entities, times and lineage.
Result<feast::core::FeatureView> ViewOf(const FeatureGroup& group, const std::string& project);
// Errors: kFeatureRegistry for names of types that are not known.
Result<FeatureGroup> GroupOf(const feast::core::FeatureView& view);

}  // namespace salver
