// Definitions written as YAML, for repositories without Python. The form is documented in docs/definitions-yaml.md.
#pragma once

#include <string>

#include "registry/definitions.h"
#include "salver/status.h"

namespace salver {

// Adds what the *.yaml and *.yml files of `repository` define (feature_store.yaml and hidden files left out), in name
// order. What is wrong with them becomes problems, with file and line; evaluation goes on.
// Errors: Unavailable when a file can not be read.
Status ReadYamlDefinitions(const std::string& repository, Definitions* definitions);

// One file's text; `file` is its name in locations.
void ParseYamlDefinitions(const std::string& text, const std::string& file, Definitions* definitions);

}  // namespace salver
