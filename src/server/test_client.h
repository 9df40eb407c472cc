// A client for tests: one socket, raw bytes out, answers in. Throws std::runtime_error when the socket fails.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace salver {

struct TestAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class TestClient {
 public:
  explicit TestClient(int port);
  ~TestClient();
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // False when the server has closed the connection.
  bool Send(std::string_view bytes);
  // The next answer; none when the connection ends before its first byte. An answer that is cut off throws.
  // `has_body` false: after HEAD.
  std::optional<TestAnswer> Receive(bool has_body = true);
  TestAnswer Exchange(std::string_view bytes);  // Send and Receive; throws when there is no answer
  TestAnswer Post(std::string_view target, std::string_view json);
  TestAnswer Get(std::string_view target);
  // Bytes that have come and that no answer took; blocks until there are `size`.
  std::string ReceiveBytes(size_t size);
  // What has come, at least a byte; nothing at the end of the connection.
  std::string ReceiveSome();
  // True when the server ends the connection without sending more.
  bool AtEnd();
  void SetReceiveBuffer(int bytes);
  // Waits for the end of the connection without taking a byte.
  void AwaitHangup();

 private:
  bool Fill();  // reads more; false at the end

  int socket_;
  std::string buffer_;
};

std::string PostBytes(std::string_view target, std::string_view json);

}  // namespace salver
