// Definitions written as YAML, for repositories without Python. The form is documented in
// docs/definitions-yaml.md.
#pragma once

#include <map>
#include <string>

#include "registry/definitions.h"
#include "salver/status.h"

namespace salver {

// Adds what the *.yaml and *.yml files of `repository` define, in name order (hidden files, configurations
// such as feature_store.yaml, and YAML without any key of definitions are left out); a file may name what
// another one, or `definitions` already, defines. What is wrong with them becomes problems, with file and
// line; evaluation goes on. Errors: Unavailable when a file can not be read.
Status ReadYamlDefinitions(const std::string& repository, Definitions* definitions);

// The same for texts in hand: name of the file, as in locations -> text.
void ParseYamlDefinitions(const std::map<std::string, std::string>& texts, Definitions* definitions);

}  // namespace salver
