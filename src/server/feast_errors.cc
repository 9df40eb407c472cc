#include "server/feast_errors.h"

#include "model/value_codec.h"

namespace salver {
namespace {

struct FeastClass {
  Reason reason;
  int http_status;
  const char* name;
  StatusCode grpc_code;  // what its gRPC server says of it
};

constexpr FeastClass kClasses[] = {
    {Reason::kViewNotFound, 404, "FeatureViewNotFoundException", StatusCode::kUnknown},
    {Reason::kServiceNotFound, 404, "FeatureServiceNotFoundException", StatusCode::kInternal},
    {Reason::kObjectNotFound, 404, "FeastObjectNotFoundException", StatusCode::kInternal},
    {Reason::kPushSourceNotFound, 422, "PushSourceNotFoundException", StatusCode::kInvalidArgument},
    {Reason::kMissingRequestData, 404, "RequestDataNotFoundInEntityRowsException", StatusCode::kUnknown},
    {Reason::kNameCollision, 500, "FeatureNameCollisionError", StatusCode::kUnknown},
};

int PlainStatus(const Status& status) {
  switch (status.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
      return 503;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kUnimplemented:
      return status.reason() == Reason::kNotExecutedYet ? 501 : 500;
    case StatusCode::kResourceExhausted:
      return status.reason() == Reason::kLimit ? 413 : 503;
    default:
      return 500;  // as Feast answers everything that is not its own
  }
}

}  // namespace

FeastError ToFeastError(const Status& status) {
  FeastError error;
  for (const FeastClass& known : kClasses) {
    if (known.reason != status.reason()) continue;
    std::string inner =
        "{\"module\": \"feast.errors\", \"class\": \"" + std::string(known.name) + "\", \"message\": ";
    AppendJsonString(status.message(), &inner);
    inner += "}";
    error.http_status = known.http_status;
    AppendJsonString(inner, &error.body);
    return error;
  }
  error.http_status = PlainStatus(status);
  error.retry_after = error.http_status == 503;
  AppendJsonString(status.message(), &error.body);
  return error;
}

StatusCode ToGrpcCode(const Status& status) {
  for (const FeastClass& known : kClasses) {
    if (known.reason == status.reason()) return known.grpc_code;
  }
  return status.code();
}

std::string InvalidBody(std::string_view type, std::string_view location_json, std::string_view message) {
  std::string body = "{\"detail\":[{\"type\":\"" + std::string(type) +
                     "\",\"loc\":" + std::string(location_json) + ",\"msg\":";
  AppendJsonString(message, &body);
  return body + "}]}";
}

}  // namespace salver
