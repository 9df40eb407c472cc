// One client's socket: bytes in through llhttp, one request at a time to its route, the answer out. Bytes of
// the next request wait in the buffer (pipelining). Nothing here knows what a feature is.
//
// Thread safety: everything on the loop of the socket, but for handlers of slow routes.
#pragma once

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <llhttp.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/route.h"

namespace salver {

// What all connections of a server share. Outlives them.
struct ServerState {
  HttpServerOptions options;
  HttpContext context;
  Metrics metrics;
  RunningViews materializing;
  std::atomic<int> connections{0};
  std::atomic<bool> stopping{false};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(boost::asio::ip::tcp::socket socket, ServerState* server);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  // Answers 503, whatever is asked, and closes.
  void StartRefused();
  // Ends the connection when it is between requests. A request that has begun is finished, if its bytes come
  // and its answer goes within the stop time.
  void Stop();

 private:
  enum class Stage { kReading, kHandling, kWriting, kDraining, kClosed };

  static Connection* Self(llhttp_t* parser) { return static_cast<Connection*>(parser->data); }
  static const llhttp_settings_t* Callbacks();

  int OnBegin();
  int OnHead(std::string* to, const char* at, size_t size);
  int OnHeaderEnd();
  int OnHeadersComplete();
  int OnBody(const char* at, size_t size);
  int Refuse(int status, std::string_view reason);

  void StopNow();
  void Read();
  void Parse();
  void Handle();
  HttpResponse RunHandler() noexcept;
  void Answer(HttpResponse response);
  void Write(bool go_on, bool drain);
  void LogAnswer(const HttpResponse& response) const;
  void Drain();
  void Close();

  // The one timer: nothing is re-armed while deadlines only move on. It waits until the connection is closed,
  // and so keeps the loop running for one that waits for its slow request.
  void SetDeadline(Clock::time_point deadline);
  void Watch();
  void OnTimeout();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  Clock::time_point deadline_ = Clock::time_point::max();
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
  Clock::time_point request_start_, handling_start_;
  std::string head_, body_;  // being written
};

}  // namespace salver
