#include "online/redis/tls_session.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>

#include "base/late_library.h"

namespace salver::redis {
namespace {

struct TlsApi {
#define SALVER_TLS_FUNCTION(name) decltype(&::name) name = nullptr;
#include "online/redis/tls_functions.inc"
#undef SALVER_TLS_FUNCTION
};

Status LibraryFault(const std::string& found) {
  return Status::Unavailable("OpenSSL, which TLS to Redis needs, is not here: " + found +
                             ". Install it: apt-get install libssl3.");
}

Result<TlsApi> Load() {
  void* const library = OpenLibraryApart("libssl.so.3");
  if (library == nullptr) return LibraryFault(dlerror());
  TlsApi api;
  // dlsym looks in what libssl brings too, which has the functions of certificates and errors.
#define SALVER_TLS_FUNCTION(name)                                         \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, #name)); \
  if (api.name == nullptr) return LibraryFault("libssl.so.3 has no function " #name);
#include "online/redis/tls_functions.inc"
#undef SALVER_TLS_FUNCTION
  return api;
}

const Result<TlsApi>& Loaded() {
  static const Result<TlsApi>* loaded = new Result<TlsApi>(Load());  // never unloaded, as the library
  return *loaded;
}
const TlsApi& Tls() {
  return Loaded().value();
}

std::string LastError() {
  char text[256] = "";
  const unsigned long code = Tls().ERR_peek_last_error();
  if (code == 0) return "the connection was closed";
  Tls().ERR_error_string_n(code, text, sizeof(text));
  return text;
}

Status BadFile(const char* what, const std::string& path) {
  return Status::FailedPrecondition("redis: " + std::string(what) + " \"" + path + "\" can not be used: " +
                                        LastError() + ". Check online_store's connection_string.",
                                    Reason::kBadConfig);
}

Status LoadFiles(SSL_CTX* context, const RedisOptions& options) {
  if (options.tls_ca_path.empty()) {
    Tls().SSL_CTX_set_default_verify_paths(context);
  } else if (Tls().SSL_CTX_load_verify_locations(context, options.tls_ca_path.c_str(), nullptr) != 1) {
    return BadFile("ssl_ca_certs", options.tls_ca_path);
  }
  const std::string& certificate = options.tls_certificate_path;
  if (certificate.empty()) return Status::OK();
  if (Tls().SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return BadFile("ssl_certfile", certificate);
  const std::string& key = options.tls_key_path.empty() ? certificate : options.tls_key_path;
  if (Tls().SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return BadFile("ssl_keyfile", key);
  return Status::OK();
}

}  // namespace

Result<std::unique_ptr<TlsSession>> TlsSession::Make(int socket, const std::string& host,
                                                     const RedisOptions& options) {
  SALVER_RETURN_NOT_OK(Loaded().status());
  Tls().ERR_clear_error();
  std::unique_ptr<TlsSession> made(new TlsSession());
  SSL_CTX* const context = Tls().SSL_CTX_new(Tls().TLS_client_method());
  if (context == nullptr) return Status::ResourceExhausted("no memory for a TLS connection.");
  made->context_ = context;
  Tls().SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  // Writes may go out in parts and from another buffer when they are tried again.
  Tls().SSL_CTX_ctrl(context, SSL_CTRL_MODE,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, nullptr);
  Tls().SSL_CTX_set_verify(context, options.tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SALVER_RETURN_NOT_OK(LoadFiles(context, options));
  SSL* const session = Tls().SSL_new(context);
  if (session == nullptr) return Status::ResourceExhausted("no memory for a TLS connection.");
  made->session_ = session;
  unsigned char address[sizeof(in6_addr)];
  const bool is_address =
      ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
  X509_VERIFY_PARAM* const rules = Tls().SSL_get0_param(session);
  if (is_address) {
    Tls().X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
  } else {
    Tls().X509_VERIFY_PARAM_set1_host(rules, host.c_str(), 0);
    Tls().SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(host.c_str()));
  }
  Tls().SSL_set_fd(session, socket);
  return made;
}

TlsSession::~TlsSession() {
  if (session_ != nullptr) Tls().SSL_free(static_cast<SSL*>(session_));
  if (context_ != nullptr) Tls().SSL_CTX_free(static_cast<SSL_CTX*>(context_));
}

ssize_t TlsSession::Outcome(int returned) {
  if (returned > 0) return returned;
  switch (Tls().SSL_get_error(static_cast<SSL*>(session_), returned)) {
    case SSL_ERROR_WANT_READ:
      return kWantsRead;
    case SSL_ERROR_WANT_WRITE:
      return kWantsWrite;
    case SSL_ERROR_ZERO_RETURN:
      return kClosed;
    default:
      return kFailed;
  }
}

ssize_t TlsSession::Handshake() {
  Tls().ERR_clear_error();
  return Outcome(Tls().SSL_connect(static_cast<SSL*>(session_)));
}

ssize_t TlsSession::Read(char* to, size_t size) {
  Tls().ERR_clear_error();
  return Outcome(
      Tls().SSL_read(static_cast<SSL*>(session_), to, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

ssize_t TlsSession::Write(const char* from, size_t size) {
  Tls().ERR_clear_error();
  return Outcome(
      Tls().SSL_write(static_cast<SSL*>(session_), from, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

std::string TlsSession::Problem() const {
  const long verified = Tls().SSL_get_verify_result(static_cast<SSL*>(session_));
  if (verified != X509_V_OK) return Tls().X509_verify_cert_error_string(verified);
  return LastError();
}

}  // namespace salver::redis
