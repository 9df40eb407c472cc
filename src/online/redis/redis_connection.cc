#include "online/redis/redis_connection.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/socket_wait.h"
#include "online/redis/tls_session.h"

namespace salver::redis {
namespace {

// As much as hiredis's parser likes at once: it moves what it has not read to the front after every kilobyte.
constexpr size_t kBufferBytes = 16 * 1024;

ssize_t Plain(ssize_t done, bool reading) {
  if (done > 0) return done;
  if (done == 0) return reading ? TlsSession::kClosed : TlsSession::kWantsWrite;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
    return reading ? TlsSession::kWantsRead : TlsSession::kWantsWrite;
  return TlsSession::kFailed;
}

}  // namespace

Connection::Connection(redisContext* context, std::string where)
    : context_(context),
      where_(std::move(where)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {}

Connection::~Connection() {
  tls_.reset();
  redisFree(context_);
}

Result<std::unique_ptr<Connection>> Connection::Open(const RedisAddress& address, const RedisOptions& options,
                                                     Deadline deadline) {
  const Deadline asked = deadline;
  deadline = Earlier(deadline, Deadline::After(std::chrono::milliseconds(options.connect_timeout_ms)));
  const std::string where = "redis server \"" + address.Text() + "\"";
  const std::string advice = " Check online_store's connection_string, and that the server runs.";
  redisContext* const context = redisConnectNonBlock(address.host.c_str(), address.port);
  if (context == nullptr) return Status::ResourceExhausted(where + ": no memory for a connection.");
  std::unique_ptr<Connection> connection(new Connection(context, where));
  if (context->err != 0)
    return Status::Unavailable(where + " can not be reached: " + context->errstr + "." + advice);
  if (const Status ready = connection->WaitFor(/*to_write=*/true, deadline); !ready.ok()) {
    if (asked.Passed()) return ready;
    return Status::Unavailable(where + " does not answer in time." + advice);
  }
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(context->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0)
    return Status::Unavailable(where + " can not be reached: " + std::strerror(error) + "." + advice);
  const int on = 1;
  ::setsockopt(context->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(context->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  Status greeted = options.tls ? connection->StartTls(address, options, deadline) : Status();
  if (greeted.ok()) greeted = connection->Introduce(options, deadline);
  if (greeted.code() == StatusCode::kDeadlineExceeded && !asked.Passed())
    return Status::Unavailable(where + " does not answer in time." + advice);
  if (!greeted.ok()) return greeted;
  return connection;
}

Status Connection::StartTls(const RedisAddress& address, const RedisOptions& options, Deadline deadline) {
  SALVER_ASSIGN(tls_, NewTlsSession(context_->fd, address.host, options));
  for (;;) {
    const ssize_t step = tls_->Handshake();
    if (step > 0) return Status::OK();
    if (step != TlsSession::kWantsRead && step != TlsSession::kWantsWrite) {
      return Status::FailedPrecondition(where_ + ": TLS was not agreed on: " + tls_->Problem() +
                                        ". Check ssl and ssl_ca_certs in online_store's connection_string.");
    }
    SALVER_RETURN_NOT_OK(WaitFor(step == TlsSession::kWantsWrite, deadline));
  }
}

Status Connection::Introduce(const RedisOptions& options, Deadline deadline) {
  if (!options.password.empty()) {
    const auto reply = options.username.empty()
                           ? Ask({"AUTH", options.password.Reveal()}, deadline)
                           : Ask({"AUTH", options.username, options.password.Reveal()}, deadline);
    if (reply.status().code() == StatusCode::kInternal) {  // "ERR Client sent AUTH, but no password is set"
      return Status::FailedPrecondition(
          where_ + " takes no password. Remove it from online_store's connection_string.");
    }
    SALVER_RETURN_NOT_OK(reply.status());
  }
  if (options.database != 0) {
    const auto reply = Ask({"SELECT", std::to_string(options.database)}, deadline);
    if (reply.status().code() == StatusCode::kInternal) {
      return Status::FailedPrecondition(where_ + " has no database " + std::to_string(options.database) +
                                        ". Check db in online_store's connection_string.");
    }
    SALVER_RETURN_NOT_OK(reply.status());
  }
  return Status::OK();
}

Status Connection::Lost(const std::string& why) {
  broken_ = true;
  return Status::Unavailable(where_ + ": the connection was lost: " + why +
                             ". Try again when the server is back.");
}

Status Connection::WaitFor(bool to_write, Deadline deadline) {
  if (WaitForSocket(context_->fd, to_write ? POLLOUT : POLLIN, deadline.at())) return Status::OK();
  broken_ = true;
  return Status::DeadlineExceeded(where_ + ": no answer in time. Try again.");
}

Status Connection::Send(std::string_view commands, size_t count, Deadline deadline) {
  outstanding_ += count;
  while (!commands.empty()) {
    const ssize_t sent = tls_ ? tls_->Write(commands.data(), commands.size())
                              : Plain(::send(context_->fd, commands.data(), commands.size(), MSG_NOSIGNAL),
                                      /*reading=*/false);
    if (sent > 0) {
      commands.remove_prefix(static_cast<size_t>(sent));
    } else if (sent == TlsSession::kWantsRead || sent == TlsSession::kWantsWrite) {
      SALVER_RETURN_NOT_OK(WaitFor(sent == TlsSession::kWantsWrite, deadline));
    } else {
      return Lost(tls_ ? tls_->Problem() : std::strerror(errno));
    }
  }
  return Status::OK();
}

Status Connection::Receive(size_t count, ReplyTaker* taker, Deadline deadline) {
  for (;;) {
    for (; count > 0; --count, --outstanding_) {
      const auto complete = reader_.Next(taker);
      if (!complete.ok()) {
        broken_ = true;
        return Status::DataLoss(where_ + ": " + complete.status().message());
      }
      if (!*complete) break;
    }
    if (count == 0) return Status::OK();
    // What was just sent has no answer yet: asking for it first would be a call for nothing. Over TLS OpenSSL
    // may hold bytes that the socket does not show.
    if (!tls_) SALVER_RETURN_NOT_OK(WaitFor(/*to_write=*/false, deadline));
    const ssize_t got = tls_ ? tls_->Read(buffer_.get(), kBufferBytes)
                             : Plain(::recv(context_->fd, buffer_.get(), kBufferBytes, 0), /*reading=*/true);
    if (got > 0) {
      SALVER_RETURN_NOT_OK(reader_.Feed({buffer_.get(), static_cast<size_t>(got)}));
    } else if (got == TlsSession::kWantsRead || got == TlsSession::kWantsWrite) {
      SALVER_RETURN_NOT_OK(WaitFor(got == TlsSession::kWantsWrite, deadline));
    } else {
      return Lost(got == TlsSession::kClosed ? "the server closed it"
                  : tls_                     ? tls_->Problem()
                                             : std::strerror(errno));
    }
  }
}

Result<Reply> Connection::Ask(std::initializer_list<std::string_view> parts, Deadline deadline) {
  std::string command;
  AppendCommand(parts, &command);
  SALVER_RETURN_NOT_OK(Send(command, 1, deadline));
  ReplyTree tree;
  SALVER_RETURN_NOT_OK(Receive(1, &tree, deadline));
  if (tree.replies()[0].error()) return ErrorOf(where_, tree.replies()[0].text);
  return std::move(tree.replies()[0]);
}

}  // namespace salver::redis
