// The versions of the views that an answer was read from, for those who ask for them.
#pragma once

#include <string>

#include "base/json_text.h"
#include "salver/online_request.h"

namespace salver {

// [{"name": ..., "version": ...}...]; version 0 is left out, as Feast does.
inline void AppendViewVersions(const OnlineResponse& response, std::string* out) {
  *out += '[';
  for (size_t i = 0; i < response.views.size(); ++i) {
    *out += i > 0 ? ",{\"name\":" : "{\"name\":";
    AppendJsonString(response.views[i].name, out);
    if (response.views[i].version != 0) *out += ",\"version\":" + std::to_string(response.views[i].version);
    *out += '}';
  }
  *out += ']';
}

}  // namespace salver
