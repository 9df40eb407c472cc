// The least that a server can do: it reads a request up to its end and answers with the bytes of a file,
// without looking at what was asked. The distance between it and a feature server is what features cost.
//
//   salver_bare_server PORT ANSWER [THREADS]
//
//   ANSWER    a file with a whole HTTP answer, head and body, as a feature server gave it
//   THREADS   each with a listener and an epoll of its own (1)
//
// Connections are kept and requests may be pipelined: the answers to all that came at once leave in one
// write. Serves until it is ended.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "peer.h"

namespace {

using salver_bench::Fail;

// The size of the request at the front, head and body, or 0 while its end has not come.
size_t RequestSize(std::string_view received) {
  const size_t head = received.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  size_t body = 0;
  constexpr std::string_view kName = "\ncontent-length:";
  for (size_t at = received.find('\n'); at < head; at = received.find('\n', at + 1)) {
    if (strncasecmp(received.data() + at, kName.data(), kName.size()) != 0) continue;
    const char* number = received.data() + at + kName.size();
    while (*number == ' ') ++number;
    std::from_chars(number, received.data() + head, body);
    break;
  }
  const size_t size = head + 4 + body;
  return received.size() >= size ? size : 0;
}

struct Connection {
  int socket;
  std::string received, unsent;
};

int Listen(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 512) != 0)
    Fail("port " + std::to_string(port) + ": " + std::strerror(errno));
  return listener;
}

// What could not be written at once waits for room in the socket.
bool Flush(int epoll, Connection* connection) {
  bool waited = false;
  while (!connection->unsent.empty()) {
    const ssize_t sent =
        send(connection->socket, connection->unsent.data(), connection->unsent.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) {
      waited = true;
      break;
    }
    connection->unsent.erase(0, static_cast<size_t>(sent));
  }
  epoll_event event{.events = EPOLLIN | (waited ? EPOLLOUT : 0U), .data = {.ptr = connection}};
  return epoll_ctl(epoll, EPOLL_CTL_MOD, connection->socket, &event) == 0;
}

// False when the connection is over.
bool Answer(int epoll, Connection* connection, const std::string& answer) {
  char buffer[1 << 16];
  const ssize_t got = recv(connection->socket, buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN;
  if (got == 0) return false;
  connection->received.append(buffer, static_cast<size_t>(got));
  size_t done = 0, answers = 0;
  while (const size_t size = RequestSize(std::string_view(connection->received).substr(done))) {
    done += size;
    ++answers;
  }
  connection->received.erase(0, done);
  if (answers == 1 && connection->unsent.empty()) {  // the usual case: straight from the answer, no copy
    const ssize_t sent = send(connection->socket, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (static_cast<size_t>(std::max<ssize_t>(sent, 0)) == answer.size()) return true;
    connection->unsent.assign(answer, static_cast<size_t>(std::max<ssize_t>(sent, 0)));
    answers = 0;
  }
  for (; answers > 0; --answers) connection->unsent += answer;
  return connection->unsent.empty() || Flush(epoll, connection);
}

void Serve(int port, const std::string& answer) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int listener = Listen(port);
  epoll_event listening{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening);
  epoll_event events[64];
  while (true) {
    const int ready = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < ready; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (connection == nullptr) {
        const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) continue;
        const int on = 1;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{.events = EPOLLIN, .data = {.ptr = new Connection{accepted, {}, {}}}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      bool open = true;
      if (events[i].events & EPOLLOUT) open = Flush(epoll, connection);
      if (open && (events[i].events & ~EPOLLOUT)) open = Answer(epoll, connection, answer);
      if (open) continue;
      close(connection->socket);
      delete connection;
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 && count != 4) Fail("usage: salver_bare_server PORT ANSWER [THREADS]");
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string answer((std::istreambuf_iterator<char>(file)), {});
  if (!answer.starts_with("HTTP/1.1 200 ")) Fail(std::string(arguments[2]) + " holds no HTTP answer");
  std::vector<std::thread> threads;
  for (int i = count == 4 ? std::atoi(arguments[3]) : 1; i > 0; --i)
    threads.emplace_back(Serve, std::atoi(arguments[1]), answer);
  for (std::thread& thread : threads) thread.join();
}
