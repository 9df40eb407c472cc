// What all connections do with a request, whichever protocol brought it.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "server/http/route.h"

namespace salver {

// The route's answer; what it throws becomes one.
HttpResponse RunRoute(const HttpRoute& route, const HttpRequest& request,
                      const HttpContext& context) noexcept;

// {"detail": reason}, after which the connection can not go on.
HttpResponse Refusal(int status, std::string_view reason);
// 503 for one whose queue is full.
HttpResponse TooManyWaiting();

struct AnsweredRequest {
  std::string_view method, path;  // without the query: that and the body may hold values of features and keys
  int status = 200;
  const char* grpc_status = nullptr;  // of a gRPC call: the name of its code
  size_t bytes = 0;
  // Number of the HTTP route, or of the gRPC method behind the routes; none: nothing handled it.
  std::optional<size_t> endpoint;
  std::chrono::steady_clock::time_point handling_start;
};
// Counts and logs it.
void RecordAnswer(const AnsweredRequest& answered, Metrics* metrics);

}  // namespace salver
