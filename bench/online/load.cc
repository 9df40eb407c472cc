// A load generator for /get-online-features: every side of the benchmark is measured by it.
//
//   salver_load PORT BODIES CONNECTIONS SECONDS RATE ANSWER_BYTES_MIN SLEEPS
//
//   BODIES            a file with a JSON body a line; they are sent in turn
//   RATE              0: closed loop, every connection sends its next request when it has its answer; else
//                     open loop: requests a second that are due at even distances, whatever the server does
//   ANSWER_BYTES_MIN  a shorter body counts as failed
//   SLEEPS            1: it sleeps while nothing comes, and leaves its core to others; 0: it keeps the last
//                     core. A virtual core that sleeps wakes when its host pleases, and who sends to it pays
//                     for the call: the fast would be measured by their host
//
// A latency in the open loop is counted from the moment at which the request was due, not from when it could
// be sent, so that a server that stalls is charged for everybody who would have waited (coordinated
// omission). What was due and has no answer a minute after the end (or SECONDS after, if that is longer)
// counts as failed, with that latency.
//
// One thread, so that the server has the other core. HTTP is read as far as servers here need it: a status, a
// Content-Length, a body. Prints one line of JSON: requests, seconds, p50_ms, p99_ms, p999_ms, good_p50_ms
// and good_p99_ms (of those that did not fail), failed, cpu_s (of this program).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "peer.h"

namespace {

using salver_bench::CpuSeconds;
using salver_bench::Fail;
using Clock = std::chrono::steady_clock;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// Counts of latencies in buckets that are at most 1/128 wide, so that hours of load need no more memory than
// seconds.
class Histogram {
 public:
  void Add(int64_t ns) { ++counts_[Bucket(static_cast<uint64_t>(std::max<int64_t>(ns, 0)))], ++total_; }

  // The upper end of the bucket that holds the given share of all latencies.
  double Milliseconds(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen > wanted || (seen == total_ && total_ > 0)) return static_cast<double>(Low(bucket + 1)) / 1e6;
    }
    return 0;
  }

 private:
  static constexpr int kBits = 7;
  static size_t Bucket(uint64_t ns) {
    if (ns < (1U << kBits)) return ns;
    const int shift = std::bit_width(ns) - kBits - 1;
    return (static_cast<size_t>(shift + 1) << kBits) + ((ns >> shift) - (1U << kBits));
  }
  static uint64_t Low(size_t bucket) {
    if (bucket < (1U << kBits)) return bucket;
    const int shift = static_cast<int>(bucket >> kBits) - 1;
    return ((bucket & ((1U << kBits) - 1)) + (1U << kBits)) << shift;
  }
  std::vector<uint64_t> counts_ = std::vector<uint64_t>((64 - kBits + 1) << kBits);
  uint64_t total_ = 0;
};

// The number after a header's name in any case, or -1.
int64_t HeaderNumber(std::string_view head, std::string_view name) {
  for (size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at)) {
    at += 2;
    if (head.size() < at + name.size() || strncasecmp(head.data() + at, name.data(), name.size()) != 0)
      continue;
    at += name.size();
    while (at < head.size() && head[at] == ' ') ++at;
    int64_t number = -1;
    std::from_chars(head.data() + at, head.data() + head.size(), number);
    return number;
  }
  return -1;
}

struct Connection {
  int socket = -1;
  std::string received;
  std::string_view unsent;
  int64_t due_ns = -1;  // of the request that is under way; -1: none is
};

struct Settings {
  int port;
  std::vector<std::string> requests;
  int connections;
  double seconds, rate;
  int64_t answer_bytes_min;
  bool sleeps;
};

class Load {
 public:
  explicit Load(Settings settings) : settings_(std::move(settings)), epoll_(epoll_create1(0)) {
    connections_.resize(static_cast<size_t>(settings_.connections));
    for (Connection& connection : connections_) Connect(&connection);
  }

  void Run() {
    begin_ns_ = NowNs();
    end_ns_ = begin_ns_ + static_cast<int64_t>(settings_.seconds * 1e9);
    for (Connection& connection : connections_) idle_.push_back(&connection);
    const int64_t give_up_ns = end_ns_ + std::max<int64_t>(end_ns_ - begin_ns_, 60'000'000'000);
    while (true) {
      const int64_t now = NowNs();
      StartWhatIsDue(now);
      if (idle_.size() == connections_.size() && NextDue() >= end_ns_) break;
      if (now > give_up_ns) {
        FailTheRest(now);
        break;
      }
      Wait(now, give_up_ns);
    }
  }

  void Print() const {
    std::printf(
        "{\"requests\": %llu, \"seconds\": %.6f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, "
        "\"good_p50_ms\": %.4f, \"good_p99_ms\": %.4f, \"failed\": %llu, \"cpu_s\": %.3f}\n",
        static_cast<unsigned long long>(answered_), static_cast<double>(last_ns_ - begin_ns_) / 1e9,
        latencies_.Milliseconds(0.5), latencies_.Milliseconds(0.99), latencies_.Milliseconds(0.999),
        good_latencies_.Milliseconds(0.5), good_latencies_.Milliseconds(0.99),
        static_cast<unsigned long long>(failed_), CpuSeconds());
  }

 private:
  void Connect(Connection* connection) {
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(settings_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection->socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      Fail("nothing answers on port " + std::to_string(settings_.port) + ": " + std::strerror(errno));
    const int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    connection->received.clear();
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->socket, &event);
  }

  // The moment at which the next request should be sent; in the closed loop that is always now.
  int64_t NextDue() const {
    if (settings_.rate <= 0) return NowNs();
    return begin_ns_ + static_cast<int64_t>(static_cast<double>(started_) * 1e9 / settings_.rate);
  }

  void StartWhatIsDue(int64_t now) {
    while (!idle_.empty()) {
      const int64_t due = settings_.rate > 0 ? NextDue() : now;
      if (due > now || due >= end_ns_) return;
      Connection* connection = idle_.back();
      idle_.pop_back();
      connection->due_ns = due;
      connection->unsent = settings_.requests[started_++ % settings_.requests.size()];
      Send(connection);
    }
  }

  void Send(Connection* connection) {
    while (!connection->unsent.empty()) {
      const ssize_t sent =
          send(connection->socket, connection->unsent.data(), connection->unsent.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        connection->unsent.remove_prefix(static_cast<size_t>(sent));
        if (connection->unsent.empty() && waits_to_write_) Watch(connection, EPOLLIN);
      } else if (errno == EAGAIN) {
        waits_to_write_ = true;
        return Watch(connection, EPOLLIN | EPOLLOUT);
      } else if (errno != EINTR) {
        return Broken(connection);
      }
    }
  }

  void Watch(Connection* connection, uint32_t events) {
    epoll_event event{.events = events, .data = {.ptr = connection}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection->socket, &event);
  }

  void Receive(Connection* connection) {
    static char buffer[1 << 18];
    const ssize_t got = recv(connection->socket, buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return Broken(connection);
    connection->received.append(buffer, static_cast<size_t>(got));
    const std::string_view received = connection->received;
    const size_t head_size = received.find("\r\n\r\n");
    if (head_size == std::string_view::npos) return;
    const std::string_view head = received.substr(0, head_size + 2);
    const int64_t body_size = HeaderNumber(head, "content-length:");
    if (body_size < 0) Fail("an answer has no Content-Length:\n" + std::string(head));
    if (received.size() < head_size + 4 + static_cast<size_t>(body_size)) return;
    Finish(connection, head.starts_with("HTTP/1.1 200 ") && body_size >= settings_.answer_bytes_min);
    connection->received.clear();
  }

  void Finish(Connection* connection, bool good) {
    last_ns_ = NowNs();
    latencies_.Add(last_ns_ - connection->due_ns);
    ++answered_;
    if (good) {
      good_latencies_.Add(last_ns_ - connection->due_ns);
    } else {
      ++failed_;
    }
    connection->due_ns = -1;
    idle_.push_back(connection);
  }

  // The server closed, or reset: what was under way has failed, and the next request has a connection of its
  // own.
  void Broken(Connection* connection) {
    close(connection->socket);
    Connect(connection);
    connection->unsent = {};
    if (connection->due_ns >= 0) Finish(connection, false);
  }

  void FailTheRest(int64_t now) {
    for (Connection& connection : connections_) {
      if (connection.due_ns < 0) continue;
      latencies_.Add(now - connection.due_ns);
      ++failed_;
    }
    for (; settings_.rate > 0 && NextDue() < end_ns_; ++started_) {
      latencies_.Add(now - NextDue());
      ++failed_;
    }
    last_ns_ = now;
  }

  void Wait(int64_t now, int64_t give_up_ns) {
    int64_t wake = give_up_ns;
    if (settings_.rate > 0 && !idle_.empty()) {
      if (const int64_t due = NextDue(); due < end_ns_) wake = due;
    }
    const int64_t pause = settings_.sleeps ? std::max<int64_t>(wake - now, 0) : 0;
    const timespec timeout{pause / 1'000'000'000, pause % 1'000'000'000};
    epoll_event events[64];
    const int ready = epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
    for (int i = 0; i < ready; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (events[i].events & EPOLLOUT) Send(connection);
      if (events[i].events & ~EPOLLOUT) Receive(connection);
    }
  }

  const Settings settings_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<Connection*> idle_;
  Histogram latencies_, good_latencies_;
  int64_t begin_ns_ = 0, end_ns_ = 0, last_ns_ = 0;
  uint64_t started_ = 0, answered_ = 0, failed_ = 0;
  bool waits_to_write_ = false;  // some request did not fit a socket's buffer at once
};

std::vector<std::string> ReadRequests(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> requests;
  for (std::string body; std::getline(file, body);) {
    requests.push_back(
        "POST /get-online-features HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  if (requests.empty()) Fail("no request in \"" + path + "\"");
  return requests;
}

// Of those that this process may use, the last one alone.
void KeepLastCore() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return;
  int last = CPU_SETSIZE - 1;
  while (last > 0 && !CPU_ISSET(last, &cores)) --last;
  CPU_ZERO(&cores);
  CPU_SET(last, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) Fail("usage: salver_load PORT BODIES CONNECTIONS SECONDS RATE ANSWER_BYTES_MIN SLEEPS");
  prctl(PR_SET_TIMERSLACK, 1);  // requests of the open loop leave when they are due
  const bool sleeps = std::atoi(arguments[7]) != 0;
  if (!sleeps) KeepLastCore();
  Load load({.port = std::atoi(arguments[1]),
             .requests = ReadRequests(arguments[2]),
             .connections = std::max(1, std::atoi(arguments[3])),
             .seconds = std::atof(arguments[4]),
             .rate = std::atof(arguments[5]),
             .answer_bytes_min = std::atoll(arguments[6]),
             .sleeps = sleeps});
  load.Run();
  load.Print();
}
