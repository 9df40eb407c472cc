// How far a materialization of one view has come, as the online store keeps it beside the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "salver/feature_view.h"
#include "salver/online_store.h"

namespace salver {

// Rows up to `last_key`, in the order of keys, are in the store. Of use to a run with the same identity only.
struct LoadMark {
  std::string identity;  // of the view's definition, the interval and the source's version, hashed
  std::string last_key;
  WriteCounts counts;  // of those rows
};

std::string EncodeLoadMark(const LoadMark& mark);
// Any bytes: nullopt for what is no mark, damaged or of another layout.
std::optional<LoadMark> DecodeLoadMark(std::string_view bytes);

// `plan` is the text of what is read. "" when `source_version` is: then nothing tells that the source's rows
// are those of before.
std::string LoadIdentity(const FeatureView& view, const std::string& plan, int entity_key_version,
                         const std::string& source_version);

}  // namespace salver
