// The names of an answer's columns as a JSON array.
#pragma once

#include <string>

#include "base/json_text.h"

namespace salver {

template <typename Columns, typename NameOf>
std::string NamesJson(const Columns& columns, const NameOf& name_of) {
  std::string json = "[";
  for (const auto& column : columns) {
    if (json.size() > 1) json += ',';
    AppendJsonString(name_of(column), &json);
  }
  return json += ']';
}

}  // namespace salver
