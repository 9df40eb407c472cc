// The feature server: Feast's endpoints over HTTP/1.1, HTTP/2 and gRPC on one port, plain or through TLS. One
// event loop a worker; a request that only reads is answered on the loop that received it. Searches, pushes
// and materializations have a small pool each, so that none holds up another, nor reads. Everything is
// bounded; what is over a limit is answered with the reason.
//
// Thread safety: Stop and port from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "salver/feature_store.h"
#include "salver/status.h"

namespace salver {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 6566;  // 0: a free one
  // PEM files. With them every connection is TLS; both or none.
  std::string tls_certificate_path, tls_key_path;
  int workers = 0;                   // event loops; 0: one a core
  size_t body_bytes_max = 16 << 20;  // 413 beyond
  size_t head_bytes_max = 32 << 10;  // 431 beyond
  size_t json_depth_max = 32;        // 422 beyond
  int connections_max = 10'000;      // 503 beyond
  // Waiting or running: of searches, of pushes, of materializations; 503 beyond.
  int pool_requests_max = 64;
  // Bytes of requests and of their answers, as far as can be told before; 503 beyond. Loops share it evenly.
  int64_t bytes_in_flight_max = 256 << 20;
  // Reads that would wait longer for their turn are answered 503 at once.
  std::chrono::milliseconds queue_time_max{500};
  std::chrono::milliseconds request_time_max{10'000};  // for the store to answer
  // Between requests (closed), for all the bytes of a request to come (408), for an answer to be taken
  // (closed).
  std::chrono::milliseconds idle_time_max{30'000};
  std::chrono::milliseconds stop_time_max{
      5'000};              // the same two for requests that have begun when Stop is called
  int metrics_port = -1;   // serves /metrics alone, on a thread of its own; 0: a free one, -1: none
  bool access_log = true;  // a line a request, where the log's room "server" is at info
  // Requests that take longer are a line of the log with the time of each step, as a warning; 0: none is.
  std::chrono::milliseconds slow_request_min{1'000};
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;  // stops
  // Listens and serves. `store` outlives the server.
  // Errors: Unavailable when the address can not be bound; TlsContext::Make's.
  static Result<std::unique_ptr<HttpServer>> Start(FeatureStore* store, const HttpServerOptions& options);

  virtual int port() const = 0;
  virtual int metrics_port() const = 0;  // -1: none
  // Takes no new connection, finishes every request that has begun, and returns. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace salver
