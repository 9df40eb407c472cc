// The one place that knows how Feast's server words its errors: which status a reason has, and the body that
// Feast's clients read the class from.
#pragma once

#include <string>
#include <string_view>

#include "salver/status.h"

namespace salver {

struct FeastError {
  int http_status = 500;
  std::string body;  // JSON
  bool retry_after = false;
};

// Feast's own errors are a JSON string that holds JSON: {"module", "class", "message"}. All others are a JSON
// string of the message. The message is ours.
FeastError ToFeastError(const Status& status);

// Feast's own errors have the code that its gRPC server gives them, all others keep theirs. The message is
// ours.
StatusCode ToGrpcCode(const Status& status);

// The body of a 422 for one field: {"detail": [{"type", "loc", "msg"}]}.
std::string InvalidBody(std::string_view type, std::string_view location_json, std::string_view message);

}  // namespace salver
