#include "server/http/tls_context.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/openssl.h"
#include "salver/log.h"

namespace salver {
namespace {

// In the order of preference. Clients that speak neither are refused, as the standard has it.
constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";

int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* out = nullptr;
  const int outcome = OpenSsl().SSL_select_next_proto(&out, chosen_size, kProtocols, sizeof(kProtocols) - 1,
                                                      offered, offered_size);
  *chosen = out;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Without it OpenSSL would ask the terminal for a key's password.
int NoPassword(char*, int, int, void*) {
  return 0;
}

Status BadFile(const char* option, const std::string& path, const std::string& found) {
  return Status::FailedPrecondition(std::string(option) + " \"" + path + "\" can not be used: " + found + ".",
                                    Reason::kBadConfig);
}

Status CheckReadable(const char* option, const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return BadFile(option, path, std::strerror(errno));
  ::close(file);
  return Status::OK();
}

Status LoadFiles(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  SALVER_RETURN_NOT_OK(CheckReadable("--cert", certificate));
  SALVER_RETURN_NOT_OK(CheckReadable("--key", key));
  OpenSsl().ERR_clear_error();
  if (OpenSsl().SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return BadFile("--cert", certificate, "it holds no certificate in PEM form (" + OpenSslError() + ")");
  OpenSsl().ERR_clear_error();
  // OpenSSL holds a key against the certificate as it reads it.
  if (OpenSsl().SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      OpenSsl().SSL_CTX_check_private_key(context) != 1) {
    const unsigned long code = OpenSsl().ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_X509)
      return BadFile("--key", key, "it is not the key of the certificate in --cert \"" + certificate + "\"");
    return BadFile("--key", key,
                   "it holds no private key in PEM form without a password (" + OpenSslError() + ")");
  }
  const X509* const own = OpenSsl().SSL_CTX_get0_certificate(context);
  if (own != nullptr && OpenSsl().X509_cmp_current_time(OpenSsl().X509_get0_notAfter(own)) < 0 &&
      LogEnabled(LogRoom::kServer, LogLevel::kWarn)) {
    LogLine line(LogRoom::kServer, "the certificate's time is over: clients will refuse it", LogLevel::kWarn);
    line.Add("cert", certificate);
    line.End();
  }
  return Status::OK();
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::Make(const std::string& certificate_path,
                                                     const std::string& key_path) {
  SALVER_RETURN_NOT_OK(LoadOpenSsl());
  SSL_CTX* const context = OpenSsl().SSL_CTX_new(OpenSsl().TLS_server_method());
  if (context == nullptr) return Status::ResourceExhausted("no memory for TLS.");
  std::unique_ptr<TlsContext> made(new TlsContext(context));
  OpenSsl().SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  OpenSsl().SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  // Writes may go out in parts and from another buffer when they are tried again; idle connections keep none.
  OpenSsl().SSL_CTX_ctrl(
      context, SSL_CTRL_MODE,
      SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS,
      nullptr);
  OpenSsl().SSL_CTX_set_default_passwd_cb(context, NoPassword);
  OpenSsl().SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
  SALVER_RETURN_NOT_OK(LoadFiles(context, certificate_path, key_path));
  return made;
}

TlsContext::~TlsContext() {
  OpenSsl().SSL_CTX_free(context_);
}

std::unique_ptr<TlsSession> TlsContext::NewSession(int socket) const {
  SSL* const session = OpenSsl().SSL_new(context_);
  if (session == nullptr) return nullptr;
  OpenSsl().SSL_set_accept_state(session);
  return std::make_unique<TlsSession>(session, socket);
}

}  // namespace salver
