// A connection to one Redis server: hiredis's connect and parser, with deadlines and Salver's errors.
//
// Many commands are sent at once (Send), and their replies are read in order (Receive). Used by one thread at
// a time. After an error it can not be used again: what the server still sends belongs to nobody.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "online/redis/redis_wire.h"
#include "online/redis_options.h"
#include "salver/deadline.h"
#include "salver/status.h"

struct redisContext;

namespace salver {
class TlsSession;
}

namespace salver::redis {

class Connection {
 public:
  // Connects, and says who we are: TLS, AUTH, SELECT as `options` ask.
  // Errors: Unavailable         nobody answers there within connect_timeout_ms
  //         FailedPrecondition  user, password, database or certificate are not taken
  //         DeadlineExceeded
  static Result<std::unique_ptr<Connection>> Open(const RedisAddress& address, const RedisOptions& options,
                                                  Deadline deadline);
  ~Connection();

  // `commands` are `count` commands. The server keeps the replies that are not received yet in its memory.
  // Errors: Unavailable  the connection was lost; DeadlineExceeded.
  Status Send(std::string_view commands, size_t count, Deadline deadline);
  // The replies of the next `count` commands, of those that were sent. Errors as Send's, and DataLoss for
  // what is no reply.
  Status Receive(size_t count, ReplyTaker* taker, Deadline deadline);

  // One command and its reply, an error of the server as a Status.
  Result<Reply> Ask(std::initializer_list<std::string_view> parts, Deadline deadline);

  // False after an error, and while replies are to come.
  bool reusable() const { return !broken_ && outstanding_ == 0; }
  // What the server calls a script of this process, by its place; "" when it was not told yet.
  std::string& script_name(size_t script) { return script_names_[script]; }
  const std::string& where() const { return where_; }  // redis server "host:port", for messages

 private:
  Connection(redisContext* context, std::string where);
  Status StartTls(const RedisAddress& address, const RedisOptions& options, Deadline deadline);
  Status Introduce(const RedisOptions& options, Deadline deadline);
  Status WaitFor(bool to_write, Deadline deadline);
  Status Lost(const std::string& why);

  redisContext* const context_;
  const std::string where_;
  std::unique_ptr<TlsSession> tls_;
  ReplyReader reader_;
  std::unique_ptr<char[]> buffer_;
  size_t outstanding_ = 0;  // replies to come
  std::array<std::string, 2> script_names_;
  bool broken_ = false;
};

// The earlier of two.
inline Deadline Earlier(Deadline a, Deadline b) {
  return a.at() < b.at() ? a : b;
}

}  // namespace salver::redis
