// What a request is and what answers it, free of sockets: the connection fills a Request, a Route's handler
// fills a Response. The one table of routes is in routes.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "salver/feature_store.h"
#include "server/http/metrics.h"
#include "server/http/metrics_text.h"
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

// When a request came how far; Time() for where it did not come to.
struct RequestSteps {
  using Time = OnlineTimes::Time;
  Time parsed;  // what is asked for is known
  OnlineTimes online;
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";  // empty: none
  std::string body;
  bool retry_after = false;
  bool close = false;  // the connection can not go on after this answer
  RequestSteps steps;
  RequestShape shape;
};

// How a request of a route is run. Each pool has its own threads and its own queue: a push waits for no
// materialization.
enum class HttpTurn : uint8_t {
  kAtOnce,  // on the loop that received it, before all that wait: little work, and wanted most under load
  kQueued,  // on the loop that received it, in turn
  kSearch,  // on the pool of searches, which may look at every row
  kWrite,   // on the pool of pushes
  kJob      // on the pool of materializations
};

// What handlers share. Outlives every request.
struct HttpContext {
  FeatureStore* store;
  const HttpServerOptions* options;
  Metrics* metrics;
  RunningViews* materializing;
  // Runs `work` later on the pool of a turn; false when its queue is full.
  std::function<bool(HttpTurn, std::function<void()>)> run_later;
  std::function<ServerLoad()> load;
};

struct HttpRoute {
  std::string_view method, path;
  HttpTurn turn;
  std::string_view action;       // Feast's permission it needs: read_online, write_online, ...
  std::string_view description;  // a line of documentation
  HttpResponse (*handle)(const HttpRequest&, const HttpContext&);
};

std::span<const HttpRoute> HttpRoutes();

// The route of a request; null with `response` filled (404, 405) when there is none. `metrics_only`: as if
// there were only /metrics.
const HttpRoute* FindRoute(const HttpRequest& request, bool metrics_only, HttpResponse* response);

}  // namespace salver
