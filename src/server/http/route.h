// What a request is and what answers it, free of sockets: the connection fills a Request, a Route's handler
// fills a Response. The one table of routes is in routes.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "salver/feature_store.h"
#include "server/http/metrics.h"
#include "server/http/running_views.h"
#include "server/http_server.h"

namespace salver {

struct HttpRequest {
  std::string method, target;  // target with its query
  std::string accept;          // the header; of several, their values with commas between
  std::string body;

  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  void AddAccept(std::string_view value) { (accept += accept.empty() ? "" : ",") += value; }
  // True for "?name=true" (any case) in the query.
  bool Flag(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";  // empty: none
  std::string body;
  bool retry_after = false;
  bool close = false;  // the connection can not go on after this answer
};

// What handlers share. Outlives every request.
struct HttpContext {
  FeatureStore* store;
  const HttpServerOptions* options;
  Metrics* metrics;
  RunningViews* materializing;
  // Runs `work` later on the slow pool; false when its queue is full.
  std::function<bool(std::function<void()>)> run_later;
};

struct HttpRoute {
  std::string_view method, path;
  bool slow;                     // runs on the slow pool
  std::string_view action;       // Feast's permission it needs: read_online, write_online, ...
  std::string_view description;  // a line of documentation
  HttpResponse (*handle)(const HttpRequest&, const HttpContext&);
};

// Counts what an answer holds.
void CountStatuses(const OnlineResponse& response, Metrics* metrics);

std::span<const HttpRoute> HttpRoutes();

// The route of a request; null with `response` filled (404, 405) when there is none.
const HttpRoute* FindRoute(const HttpRequest& request, HttpResponse* response);

}  // namespace salver
