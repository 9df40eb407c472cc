// What all connections of a server share. Outlives them.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "server/http/metrics.h"
#include "server/http/route.h"
#include "server/http/running_views.h"
#include "server/http/tls_context.h"

namespace salver {

struct ServerState {
  HttpServerOptions options;
  HttpContext context;
  std::unique_ptr<TlsContext> tls;  // null: connections are plain
  Metrics metrics;
  RunningViews materializing;
  std::atomic<int> connections{0};
  std::atomic<bool> stopping{false};
};

// How long bytes of a client that will get no answer to them are read and dropped, so that it gets to read
// why.
inline constexpr std::chrono::milliseconds kDrainTime{2000};

}  // namespace salver
