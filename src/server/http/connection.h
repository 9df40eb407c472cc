// One client's HTTP/1.1 connection: bytes in through llhttp, one request at a time to its route, the answer
// out. Bytes of the next request wait in the buffer (pipelining). One that begins with HTTP/2's preface goes
// on as an Http2Connection. Nothing here knows what a feature is.
//
// Thread safety: everything on the loop of the socket, but for handlers of routes that run on a pool.
#pragma once

#include "server/http/byte_stream.h"

#include <llhttp.h>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/run_request.h"
#include "server/http/server_state.h"

namespace salver {

class Connection final : public Session,
                         public QueuedRequest,
                         public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(ByteStream stream, LoopState* loop);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  // Answers 503, whatever is asked, and closes.
  void StartRefused();
  void Stop() override;

 private:
  enum class Stage { kGreeting, kReading, kHandling, kWriting, kDraining, kClosed };

  static Connection* Self(llhttp_t* parser) { return static_cast<Connection*>(parser->data); }
  static const llhttp_settings_t* Callbacks();

  int OnBegin();
  int OnHead(std::string* to, const char* at, size_t size);
  int OnHeaderEnd();
  int OnHeadersComplete();
  int OnBody(const char* at, size_t size);
  int Refuse(int status, std::string_view reason);

  void Run(bool in_time, Clock::time_point now) override;
  void GiveUpAnswer() override;

  void Greet();
  void StopNow();
  // `now` is when what they go on with has come.
  void Read(Clock::time_point now);
  void Parse(Clock::time_point now);
  void Handle(Clock::time_point now);
  void GoOnAsHttp2();
  void Answer(HttpResponse response);
  void Write(bool go_on, bool drain);
  void WroteAnswer(bool go_on, bool drain, bool failed);
  void Drain();
  void Close();

  // The one timer: nothing is re-armed while deadlines only move on. It waits until the connection is closed,
  // and so keeps the loop running for one that waits for its pool.
  void SetDeadline(Clock::time_point deadline);
  void Watch();
  void OnTimeout();

  ByteStream stream_;
  boost::asio::steady_timer timer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point watched_until_ =
      Clock::time_point::max();  // when the timer's wait ends; max: there is none
  LoopState* const loop_;
  ServerState* const server_;
  llhttp_t parser_;
  std::array<char, 16 * 1024> buffer_;
  std::string_view pending_;  // of buffer_, not yet parsed
  Stage stage_ = Stage::kReading;
  bool begun_ = false;  // a first byte of the request has come
  bool keep_alive_ = true, wants_continue_ = false;
  HttpRequest request_;
  std::string header_name_, header_value_;
  size_t head_bytes_ = 0;
  HttpResponse refusal_;
  const HttpRoute* route_ = nullptr;
  AnsweredRequest answered_;  // what is known so far of the request
  std::string head_, body_;   // being written
  HeldBytes held_;
  LargeAnswer large_;
};

}  // namespace salver
