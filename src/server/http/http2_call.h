// A request of an HTTP/2 connection and its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/http/http2_connection.h"

namespace salver {

// Thread safety: on the loop of its connection, but while one is run on a pool.
class Http2Connection::Call final : public QueuedRequest {
 public:
  enum class Stage { kReading, kWaiting, kHandling, kAnswering };

  explicit Call(LoopQueue* queue) : held(queue), large(queue) {}
  void Run(bool in_time, Clock::time_point now) override {
    std::exchange(runs_on, nullptr)->RunInTurn(this, in_time, now);
  }
  void GiveUpAnswer() override { answered_on->GiveUpAnswer(this); }

  int32_t id = 0;
  Stage stage = Stage::kReading;
  HttpRequest request;
  size_t head_bytes = 0;
  std::string content_type;
  std::optional<std::chrono::microseconds> timeout;  // the client's
  bool grpc = false;
  bool closed = false;  // the client has given up, or the connection is gone
  Clock::time_point limit;
  AnsweredRequest answered;  // what is known so far
  const HttpRoute* route = nullptr;
  const GrpcMethod* method = nullptr;

  HttpResponse response;  // its body is the answer of a gRPC call, too
  Status status;          // of a gRPC call
  size_t written = 0;     // of response.body
  bool given_up = false;  // the rest of the answer is dropped

  HeldBytes held;
  LargeAnswer large;
  std::shared_ptr<Http2Connection> runs_on;  // while it waits in the loop's queue
  Http2Connection* answered_on = nullptr;    // while it has a large answer

  std::optional<size_t> endpoint() const {
    if (route != nullptr) return EndpointOf(*route);
    if (method != nullptr) return EndpointOf(*method);
    return std::nullopt;
  }
  HttpTurn turn() const { return route != nullptr ? route->turn : method->turn; }
  // Nothing of it is the loop's any more.
  void LetGo() {
    large.End();
    held.Set(0);
  }
  Deadline deadline(std::chrono::microseconds most) const {
    if (timeout) most = std::min(most, *timeout);
    return Deadline::After(
        most - std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - answered.request_start));
  }
};

}  // namespace salver
