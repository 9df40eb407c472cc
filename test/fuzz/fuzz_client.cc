// A connection of the server on one end of a pair of sockets, a client on the other, both on this thread.
#include "test/fuzz/fuzz_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "server/http/connection.h"

#include "test/fuzz/fuzz_repository.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {

using boost::asio::io_context;
using boost::asio::ip::tcp;

std::string AnswerOfServer(std::string_view bytes, size_t piece) {
  static ServerState server{.options = {.body_bytes_max = 2000, .head_bytes_max = 1000},
                            .context = FuzzRepository::Shared().context()};
  static io_context loop{1};
  static LoopState state{&server,
                         false,
                         LoopQueue({.bytes_max = 1 << 20, .wait_max = std::chrono::minutes(1)},
                                   [] { boost::asio::post(loop, [] { state.queue.RunTurn(); }); }),
                         {}};
  int ends[2];
  Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "there are sockets");
  std::make_shared<Connection>(ByteStream(tcp::socket(loop, tcp::v4(), ends[0]), nullptr), &state)->Start();
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
  ServerLoad load;
  state.queue.AddTo(&load);
  Check(load.bytes_in_flight == 0 && load.reads_queued == 0, "what it held is let go");
  return answer;
}

}  // namespace salver::fuzz
