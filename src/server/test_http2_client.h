// An HTTP/2 client for tests, over TestClient's socket: calls out, answers in. Throws std::runtime_error when
// the connection ends before what is waited for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/test_client.h"

namespace salver {

struct TestHttp2Answer {
  std::map<std::string, std::string> headers;  // and trailers
  std::string body;
  uint32_t reset = 0;  // the code that the stream was ended with
  bool done = false;
  std::string grpc_status() const {
    const auto found = headers.find("grpc-status");
    return found == headers.end() ? "none" : found->second;
  }
};

class TestHttp2Client {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // `piece`: bytes go out this many at a time; 0: all at once.
  explicit TestHttp2Client(int port, size_t piece = 0);
  ~TestHttp2Client();

  // Begins a stream; `end` false: more of its body may follow with SendBody. Returns its number.
  int Begin(const Headers& headers, std::string_view body, bool end = true);
  // What gRPC clients send; `message` gets its prefix.
  int BeginGrpc(std::string_view path, std::string_view message, const Headers& more = {});
  void SendBody(int stream, std::string_view bytes, bool end);
  void Reset(int stream);
  TestHttp2Answer Await(int stream);
  TestHttp2Answer Grpc(std::string_view path, std::string_view message, const Headers& more = {});
  // Receives until the server says that it takes no more calls.
  void AwaitGoaway();
  // True when the server has said so.
  bool told_to_go() const;
  // Receives until the server ends the connection.
  void AwaitEnd();
  // The same, taking no byte before the connection has ended.
  void AwaitSilentEnd();
  TestClient& socket() { return socket_; }

 private:
  struct Session;
  void Flush();
  bool Receive();  // false at the end

  TestClient socket_;
  const size_t piece_;
  std::unique_ptr<Session> session_;
};

}  // namespace salver
