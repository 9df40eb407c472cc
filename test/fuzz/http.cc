// A connection of the server on one end of a pair of sockets, a client on the other, both on this thread.
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/connection.h"

#include <string>

#include "test/fuzz/fuzz_repository.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {
namespace {

using boost::asio::io_context;
using boost::asio::ip::tcp;

// Everything the server answers to `bytes`, sent `piece` at a time.
std::string AnswerTo(std::string_view bytes, size_t piece) {
  static ServerState server{.options = {.body_bytes_max = 2000, .head_bytes_max = 1000},
                            .context = FuzzRepository::Shared().context()};
  static io_context loop{1};
  int ends[2];
  Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "there are sockets");
  std::make_shared<Connection>(tcp::socket(loop, tcp::v4(), ends[0]), &server)->Start();
  std::string answer;
  char buffer[16 << 10];
  bool sent_all = false;
  for (;;) {
    loop.poll();
    if (!bytes.empty()) {
      const ssize_t sent = ::send(ends[1], bytes.data(), std::min(piece, bytes.size()), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      if (sent < 0 && errno != EAGAIN) bytes = {};  // the server has closed
    } else if (!sent_all) {
      sent_all = true;
      ::shutdown(ends[1], SHUT_WR);
    }
    const ssize_t size = ::recv(ends[1], buffer, sizeof buffer, 0);
    if (size > 0) answer.append(buffer, static_cast<size_t>(size));
    if (size == 0 || (size < 0 && errno != EAGAIN)) break;
  }
  ::close(ends[1]);
  loop.run();
  loop.restart();
  Check(server.connections == 0, "a connection that has ended is gone");
  return answer;
}

// "200 404 ", with what is said before a body. A request that is wrong in two ways may be refused for either,
// as its bytes come: too large is as good as malformed.
std::string Statuses(std::string_view answer) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  Check(answer.empty() || answer.starts_with(kStart), "an answer begins with its status");
  std::string statuses;
  for (size_t at = answer.find(kStart); at != std::string_view::npos; at = answer.find(kStart, at + 1)) {
    const std::string_view status = answer.substr(at + kStart.size(), 3);
    statuses += status == "431" || status == "413" ? "400" : status;
    statuses += ' ';
  }
  return statuses;
}

}  // namespace

void Http(std::string_view bytes) {
  if (bytes.empty()) return;
  const size_t piece = static_cast<uint8_t>(bytes[0]);
  bytes.remove_prefix(1);
  const std::string whole = Statuses(AnswerTo(bytes, SIZE_MAX));
  if (piece > 0 && piece < bytes.size())
    Check(Statuses(AnswerTo(bytes, piece)) == whole, "answers are the same however the bytes are cut");
}

}  // namespace salver::fuzz
