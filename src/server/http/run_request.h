// What all connections do with a request, whichever protocol brought it.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "server/http/grpc_methods.h"
#include "server/http/route.h"

namespace salver {

// The route's answer; what it throws becomes one.
HttpResponse RunRoute(const HttpRoute& route, const HttpRequest& request,
                      const HttpContext& context) noexcept;

// What Feast answers to the same error.
HttpResponse Failure(const Status& status);
// {"detail": reason}, after which the connection can not go on.
HttpResponse Refusal(int status, std::string_view reason);
// 503 for one that has no place in its queue, because of `reason`.
HttpResponse TryLater(std::string_view reason);
// Why one has none on a pool.
inline constexpr std::string_view kTooManyWaiting =
    "too many requests of this kind are waiting. Try again later.";

struct AnsweredRequest {
  using Clock = std::chrono::steady_clock;

  std::string_view method, path;  // without the query: that and the body may hold values of features and keys
  int status = 200;
  const char* grpc_status = nullptr;  // of a gRPC call: the name of its code
  size_t request_bytes = 0, bytes = 0;
  // EndpointOf; none: nothing handled it.
  std::optional<size_t> endpoint;
  RequestSteps steps;
  RequestShape shape;
  // When the first byte of the request had come, its last; when its handler began, and its answer.
  Clock::time_point request_start, request_end, handling_start, answer_start;
};

// The number by which requests of a route are counted; of those of a gRPC method, behind the routes.
size_t EndpointOf(const HttpRoute& route);
size_t EndpointOf(const GrpcMethod& method);

// Counts it, and logs it where there is an access log: when its answer begins.
void RecordAnswer(const AnsweredRequest& answered, const HttpServerOptions& options, Metrics* metrics);
// Logs where its time went, if it took long: when its client has taken the answer, which is `now`.
void RecordWritten(const AnsweredRequest& answered, const HttpServerOptions& options,
                   AnsweredRequest::Clock::time_point now);

}  // namespace salver
