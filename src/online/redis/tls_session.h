// TLS to a Redis server.
#pragma once

#include <memory>
#include <string>

#include "base/tls_session.h"
#include "online/redis_options.h"
#include "salver/status.h"

namespace salver::redis {

// Nothing is sent yet. `host` is what the server's certificate must name.
// Errors: Unavailable  no libssl.so.3;  FailedPrecondition  a certificate or key file can not be read.
Result<std::unique_ptr<TlsSession>> NewTlsSession(int socket, const std::string& host,
                                                  const RedisOptions& options);

}  // namespace salver::redis
