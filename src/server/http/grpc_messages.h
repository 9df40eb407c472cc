// Messages of feast.serving and GrpcServer.proto, read from and written to their bytes without an object per
// value. Readers are total: any bytes give a request or InvalidArgument.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "salver/online_request.h"
#include "salver/status.h"

namespace salver {

struct GrpcOnlineRequest {
  OnlineRequest online;  // its views point into the message
  bool with_versions = false;
};

// GetOnlineFeaturesRequest. The columns of request_context join the entities, as over HTTP.
// Errors: InvalidArgument  no such message, or an entity column holds lists or maps.
Result<GrpcOnlineRequest> ReadOnlineRequest(std::string_view message);

// GetOnlineFeaturesResponse.
void AppendOnlineResponse(const OnlineResponse& response, bool with_versions, std::string* out);

// PushRequest and WriteToOnlineStoreRequest: one row, its values as text or as feast.types.Value.
struct GrpcWriteRequest {
  std::string_view target;                                            // the push source, or the feature view
  std::string_view to;                                                // Push only
  std::vector<std::pair<std::string_view, std::string_view>> texts;   // column, value
  std::vector<std::pair<std::string_view, std::string_view>> values;  // column, bytes of a Value
};
enum class GrpcWriteKind { kPush, kWriteToOnlineStore };
// Errors: InvalidArgument.
Result<GrpcWriteRequest> ReadWriteRequest(std::string_view message, GrpcWriteKind kind);

}  // namespace salver
