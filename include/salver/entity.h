// An Entity is what features describe: a name and its join key.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "salver/value_type.h"

namespace salver {

struct Entity {
  std::string name;
  std::string join_key;
  ValueType value_type = ValueType::kInvalid;  // kInvalid: not declared, inferred from the sources
  std::string description;
  std::map<std::string, std::string> tags;
  std::string owner;
  int64_t created_us = 0;
  int64_t last_updated_us = 0;
};

}  // namespace salver
