// What gRPC clients may call, free of sockets: the bytes of a request message in, those of the answer out.
// The one table of methods is in grpc_methods.cc; what they do is what the HTTP routes do, through the same
// store.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "salver/deadline.h"
#include "server/http/route.h"

namespace salver {

struct GrpcMethod {
  std::string_view path;  // "/package.Service/Method"
  HttpTurn turn;
  std::string_view action;       // Feast's permission it needs, as in HttpRoute
  std::string_view description;  // a line of documentation
  // Appends the answer's message to the body.
  Status (*handle)(std::string_view message, const HttpContext& context, Deadline deadline,
                   HttpResponse* answer);
};

std::span<const GrpcMethod> GrpcMethods();

// Null when there is none.
const GrpcMethod* FindGrpcMethod(std::string_view path);

}  // namespace salver
