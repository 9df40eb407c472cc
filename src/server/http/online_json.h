// An answer as Feast's HTTP server writes it:
// {"results": [{"values", "statuses", "event_timestamps"}...], "metadata": {"feature_names", ...}}.
#pragma once

#include <string>

#include "salver/online_request.h"

namespace salver {

std::string EncodeOnlineJson(const OnlineResponse& response, bool with_versions);

}  // namespace salver
