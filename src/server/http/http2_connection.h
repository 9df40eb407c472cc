// One client's HTTP/2 connection: frames in and out through nghttp2, many calls at a time. A request of type
// application/grpc is a call of a GrpcMethod; any other takes the route that it would over HTTP/1.1.
//
// Bounded per connection: calls open at once, bytes of their bodies, bytes of answers that the client has not
// taken (beyond that, calls wait before they enter the loop's queue, where they wait their turn).
//
// Thread safety: everything on the loop of the socket, but for handlers that run on a pool.
#pragma once

#include "server/http/byte_stream.h"

#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/grpc_methods.h"
#include "server/http/run_request.h"
#include "server/http/server_state.h"

struct nghttp2_session;

namespace salver {

class Http2Connection final : public Session, public std::enable_shared_from_this<Http2Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Http2Connection(ByteStream stream, LoopState* loop);
  ~Http2Connection() override;

  // `first`: bytes that have been read from the stream, from the connection preface on.
  void Start(std::string_view first);
  // No further calls are taken, but those that the client has sent before it learns so are.
  void Stop() override;

 private:
  class Call;
  struct Callbacks;

  void StopNow();
  void Read();
  void Receive(std::string_view bytes);
  void Send();
  void Drain();
  void Close();

  void OnHeader(Call* call, std::string_view name, std::string_view value);
  void OnHeadersEnd(Call* call);
  void OnBody(Call* call, std::string_view bytes);
  void OnRequestEnd(Call* call);
  void OnClosed(int32_t id);
  void OnPong();

  void Handle(const std::shared_ptr<Call>& call);
  bool HandleWaiting();  // true when there was one whose turn has come
  void Run(Call* call) const noexcept;
  void RunGrpc(Call* call) const noexcept;
  void RunInTurn(Call* call, bool in_time, Clock::time_point now);
  void RunLater(const std::shared_ptr<Call>& call);
  void RefuseForNow(Call* call, std::string_view reason);
  void GiveUpAnswer(Call* call);
  void Refuse(Call* call, int http_status, const Status& reason);
  void Answer(Call* call);
  void Record(Call* call);
  // Sends once what the calls of this turn have to say.
  void SendSoon();
  void AnswerGrpc(Call* call);
  void AnswerHttp(Call* call);

  // One timer, armed for the earliest limit of anything that is waited for.
  void Watch();
  void OnTimer();
  Clock::time_point NextLimit() const;
  void EndIdle();
  void EndOverdueCalls(Clock::time_point now);

  ByteStream stream_;
  boost::asio::steady_timer timer_;
  LoopState* const loop_;
  ServerState* const server_;
  nghttp2_session* session_ = nullptr;
  std::array<char, 16 * 1024> buffer_;
  std::string out_;  // being filled, then being written
  std::map<int32_t, std::shared_ptr<Call>> calls_;
  std::deque<std::shared_ptr<Call>> waiting_;  // whole requests behind answers that nobody takes
  size_t body_bytes_ = 0;                      // of requests not yet handled
  size_t answer_bytes_ = 0;                    // of answers not yet written
  bool sending_soon_ = false;
  bool writing_ = false, draining_ = false, closed_ = false, stopped_ = false;
  Clock::time_point write_limit_, idle_limit_, end_limit_ = Clock::time_point::max();
};

}  // namespace salver
