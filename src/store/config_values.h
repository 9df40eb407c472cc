// Reads values out of feature_store.yaml strictly: every fault names file, line and key.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "postgres/postgres_options.h"
#include "salver/status.h"

namespace salver {

class ConfigValues {
 public:
  explicit ConfigValues(std::string file) : file_(std::move(file)) {}

  // InvalidArgument (kBadConfig) at `node`. A sentence without its full stop, or with a hint at the end.
  Status Bad(const YAML::Node& node, std::string what) const;

  // `section` is a mapping that has no other key than these, and none twice. `name` "" is the whole file.
  Status CheckKeys(const YAML::Node& section, const std::string& name,
                   const std::vector<std::string>& known) const;

  // section.key as a T; left as it is when there is none.
  template <typename T>
  Status Value(const YAML::Node& section, const std::string& name, const char* key, const char* what,
               T* value) const {
    const YAML::Node node = section[key];
    if (!node || node.IsNull()) return Status::OK();
    if (node.IsScalar() && YAML::convert<T>::decode(node, *value)) return Status::OK();
    return Bad(node, "\"" + name + "." + key + "\" is no " + what);
  }

  // One of `choices`.
  Status Choice(const YAML::Node& section, const std::string& name, const char* key,
                const std::vector<std::string>& choices, std::string* value) const;

  // The section's type: of a text itself, of a mapping its key "type".
  Status TypeOf(const YAML::Node& section, const std::string& name, std::string* type) const;

  // Refuses what would make files that this release does not write, instead of passing over it.
  Status RefuseFlags(const YAML::Node& section, const std::string& name,
                     const std::vector<const char*>& flags) const;

 private:
  const std::string file_;
};

// Feast's keys of a PostgreSQL, and `more` of the section's own. Values of those are the caller's to read,
// but for statement_timeout_seconds.
Status ReadPostgres(const ConfigValues& values, const YAML::Node& node, const std::string& name,
                    const std::vector<std::string>& more, PostgresOptions* to);

}  // namespace salver
