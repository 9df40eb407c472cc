#include "server/test_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace salver {

TestClient::TestClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{60, 0};  // a server that hangs fails the test instead of stopping it
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(socket_);
    throw std::runtime_error(std::string("connect: ") + std::strerror(error));
  }
}

TestClient::~TestClient() {
  ::close(socket_);
}

void TestClient::SetReceiveBuffer(int bytes) {
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool TestClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
    if (sent < 0) throw std::runtime_error(std::string("send: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool TestClient::Fill() {
  char bytes[64 << 10];
  const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
  if (got < 0) throw std::runtime_error(std::string("receive: ") + std::strerror(errno));
  buffer_.append(bytes, static_cast<size_t>(got));
  return got > 0;
}

std::optional<TestAnswer> TestClient::Receive(bool has_body) {
  size_t head_end;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (Fill()) continue;
    if (buffer_.empty()) return std::nullopt;
    throw std::runtime_error("the connection ended inside the head of an answer: " + buffer_);
  }
  TestAnswer answer;
  std::string_view head = std::string_view(buffer_).substr(0, head_end);
  answer.status = std::stoi(std::string(head.substr(9, 3)));
  head.remove_prefix(std::min(head.size(), head.find("\r\n")));
  while (head.starts_with("\r\n")) {
    head.remove_prefix(2);
    const std::string_view line = head.substr(0, head.find("\r\n"));
    std::string name(line.substr(0, line.find(": ")));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    answer.headers[name] = line.substr(std::min(line.size(), name.size() + 2));
    head.remove_prefix(line.size());
  }
  const size_t length = has_body ? std::stoul(answer.headers.at("content-length")) : 0;
  buffer_.erase(0, head_end + 4);
  answer.body = ReceiveBytes(length);
  return answer;
}

std::string TestClient::ReceiveBytes(size_t size) {
  while (buffer_.size() < size) {
    if (!Fill()) throw std::runtime_error("the connection ended inside the body of an answer");
  }
  const std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

std::string TestClient::ReceiveSome() {
  if (buffer_.empty()) Fill();
  return std::exchange(buffer_, {});
}

TestAnswer TestClient::Exchange(std::string_view bytes) {
  Send(bytes);
  auto answer = Receive();
  if (!answer) throw std::runtime_error("the connection ended without an answer");
  return *answer;
}

bool TestClient::AtEnd() {
  return buffer_.empty() && !Fill();
}

void TestClient::AwaitHangup() {
  pollfd waited{socket_, POLLRDHUP, 0};
  if (::poll(&waited, 1, 60'000) != 1) throw std::runtime_error("the connection did not end in time");
}

std::string PostBytes(std::string_view target, std::string_view json) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(json.size()) + "\r\n\r\n" + std::string(json);
}

TestAnswer TestClient::Post(std::string_view target, std::string_view json) {
  return Exchange(PostBytes(target, json));
}

TestAnswer TestClient::Get(std::string_view target) {
  return Exchange("GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n\r\n");
}

}  // namespace salver
