// What the TLS connections of a server share: certificate, key, and what is agreed on.
//
// Thread safety: NewSession from any thread.
#pragma once

#include <memory>
#include <string>

#include "base/tls_session.h"
#include "salver/status.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace salver {

class TlsContext {
 public:
  // TLS 1.2 and later. Files are PEM; the certificate's file may hold the chain behind it. A certificate
  // whose time is over is served all the same, with a line in the log.
  // Errors: Unavailable  no libssl.so.3;  FailedPrecondition (kBadConfig)  a file can not be used, or the key
  //         belongs to another certificate.
  static Result<std::unique_ptr<TlsContext>> Make(const std::string& certificate_path,
                                                  const std::string& key_path);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // The server's side of a connection; null without memory.
  std::unique_ptr<TlsSession> NewSession(int socket) const;

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* const context_;
};

}  // namespace salver
