// apply: the registry that results from definitions, and what changes on the way there.
#pragma once

#include <cstdint>
#include <string>

#include "registry/definitions.h"
#include "registry/materialized.h"
#include "salver/feature_store.h"
#include "salver/registry.h"

namespace salver {

struct ApplyRules {
  std::string project;
  bool partial = false;  // keep objects that the definitions lack
  int64_t now_us = 0;
  std::string sqlite_path;  // absolute; not empty: Feast's infra objects for this database are written
  std::set<std::string> deletes = {};  // with partial: "kind:name" of what goes all the same
};

// Edits `registry` so that it holds the (inferred, validated) definitions and returns what changed. Objects
// whose definition did not change are left as they are, byte for byte: creation times, functions that Feast
// pickled, materialized intervals and states. Objects of other projects are not touched.
ApplyReport ApplyDefinitions(const Definitions& definitions, const ApplyRules& rules,
                             feast::core::Registry* registry);

}  // namespace salver
