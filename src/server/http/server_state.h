// What all connections of a server share, and those of one event loop. Outlives them.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "server/http/loop_queue.h"
#include "server/http/metrics.h"
#include "server/http/route.h"
#include "server/http/running_views.h"
#include "server/http/session.h"
#include "server/http/tls_context.h"

namespace salver {

struct ServerState {
  HttpServerOptions options;
  HttpContext context;
  std::unique_ptr<TlsContext> tls;  // null: connections are plain
  Metrics metrics;
  RunningViews materializing;
  std::atomic<int> connections{0};
  std::atomic<uint64_t> refused_connections{0};
  std::atomic<bool> stopping{false};
};

// Only on the loop's thread, but for LoopQueue::AddTo.
struct LoopState {
  ServerState* const server;
  const bool metrics_only;  // nothing but /metrics is answered, and without TLS
  LoopQueue queue;
  Sessions sessions;
};

// How long bytes of a client that will get no answer to them are read and dropped, so that it gets to read
// why.
inline constexpr std::chrono::milliseconds kDrainTime{2000};

}  // namespace salver
