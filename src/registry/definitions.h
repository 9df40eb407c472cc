// What a repository defines, before it is compared with the registry: a feast.core.Registry message that
// holds definitions only, where each was written, and what is wrong with them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "feast/core/Registry.pb.h"
#include "salver/status.h"
#include "salver/value_type.h"

namespace salver {

struct Location {
  std::string file;  // relative to the repository
  int line = 0;      // 0: unknown
};

struct Problem {
  Location where;
  std::string message;
};

struct Definitions {
  feast::core::Registry registry;
  std::map<std::string, Location> locations;  // "feature_view:driver_hourly_stats"
  std::vector<Problem> problems;
  // "kind:name" of what is here only because the registry has it (KeepRegistered): apply leaves it alone.
  std::set<std::string> kept;

  // "definitions.py:12", or "" when it is not known.
  std::string Where(const std::string& kind, const std::string& name) const;
  // A problem that was reported already is not added again.
  void AddProblem(const std::string& kind, const std::string& name, std::string message);
  // OK, or one InvalidArgument (kBadDefinition) with a line per problem.
  Status ToStatus() const;
};

// The JSON that the Python package prints: {"registry": ..., "locations": ..., "problems": ...}.
// Errors: InvalidArgument (kBadDefinition) when it is no such JSON.
Result<Definitions> ParseDefinitionsJson(const std::string& json);

// A partial apply names only some objects: adds those of `project` in `current` that `definitions` lacks, so
// that what is named can refer to them; but not what is to be deleted ("kind:name"). Something to delete that
// is not there is a problem.
void KeepRegistered(const feast::core::Registry& current, const std::string& project,
                    const std::set<std::string>& deletes, Definitions* definitions);

// A definition that would take the place of a feature group's view is a problem.
void RefuseGroupNames(const feast::core::Registry& current, const std::string& project,
                      Definitions* definitions);

// A column of a source, for inference.
struct SourceColumnInfo {
  std::string name;
  ValueType type = ValueType::kInvalid;  // kInvalid: a type that features can not have
};
using SourceSchemas =
    std::function<Result<std::vector<SourceColumnInfo>>(const feast::core::DataSource& source)>;

// Adds to `definitions` what Feast would infer from the sources: event time columns, entity columns,
// features, and what services and on-demand views take from views. What can not be inferred becomes a
// problem. Without `schemas` (null) nothing is opened: what is missing stays missing and is a problem where
// it must be there.
void InferDefinitions(const SourceSchemas& schemas, const std::string& project, Definitions* definitions);

// Everything wrong that the definitions alone show: names, references, types. Each becomes a problem. Call it
// after InferDefinitions.
void ValidateDefinitions(Definitions* definitions);

}  // namespace salver
