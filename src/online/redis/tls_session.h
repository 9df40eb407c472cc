// TLS over a socket that does not block: OpenSSL, opened when the first such connection is.
//
// Nothing links to OpenSSL, for the reason that nothing links to libpq: Arrow's libraries export functions of
// OpenSSL's names, and calls of one would land in the other.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "online/redis_options.h"
#include "salver/status.h"

namespace salver::redis {

// What a step over TLS came to: a count of bytes above 0, or one of these.
inline constexpr ssize_t kClosed = 0, kWantsRead = -1, kWantsWrite = -2, kFailed = -3;

class TlsSession {
 public:
  // Nothing is sent yet. `host` is what the server's certificate must name.
  // Errors: Unavailable  no libssl.so.3;  FailedPrecondition  a certificate or key file can not be read.
  static Result<std::unique_ptr<TlsSession>> Make(int socket, const std::string& host,
                                                  const RedisOptions& options);
  ~TlsSession();

  // One step of the greeting: 1 when it is over.
  ssize_t Handshake();
  ssize_t Read(char* to, size_t size);
  ssize_t Write(const char* from, size_t size);
  // What went wrong last, in OpenSSL's words.
  std::string Problem() const;

 private:
  TlsSession() = default;
  ssize_t Outcome(int returned);

  void* context_ = nullptr;  // SSL_CTX
  void* session_ = nullptr;  // SSL
};

}  // namespace salver::redis
