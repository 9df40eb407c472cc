#include "online/redis/tls_session.h"

#include <arpa/inet.h>

#include "base/openssl.h"

namespace salver::redis {
namespace {

Status BadFile(const char* what, const std::string& path) {
  return Status::FailedPrecondition("redis: " + std::string(what) + " \"" + path + "\" can not be used: " +
                                        OpenSslError() + ". Check online_store's connection_string.",
                                    Reason::kBadConfig);
}

Status LoadFiles(SSL_CTX* context, const RedisOptions& options) {
  if (options.tls_ca_path.empty()) {
    OpenSsl().SSL_CTX_set_default_verify_paths(context);
  } else if (OpenSsl().SSL_CTX_load_verify_locations(context, options.tls_ca_path.c_str(), nullptr) != 1) {
    return BadFile("ssl_ca_certs", options.tls_ca_path);
  }
  const std::string& certificate = options.tls_certificate_path;
  if (certificate.empty()) return Status::OK();
  if (OpenSsl().SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return BadFile("ssl_certfile", certificate);
  const std::string& key = options.tls_key_path.empty() ? certificate : options.tls_key_path;
  if (OpenSsl().SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return BadFile("ssl_keyfile", key);
  return Status::OK();
}

}  // namespace

Result<std::unique_ptr<TlsSession>> NewTlsSession(int socket, const std::string& host,
                                                  const RedisOptions& options) {
  SALVER_RETURN_NOT_OK(LoadOpenSsl());
  OpenSsl().ERR_clear_error();
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> owner(
      OpenSsl().SSL_CTX_new(OpenSsl().TLS_client_method()), OpenSsl().SSL_CTX_free);
  SSL_CTX* const context = owner.get();  // the session keeps it from here on
  if (context == nullptr) return Status::ResourceExhausted("no memory for a TLS connection.");
  OpenSsl().SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  // Writes may go out in parts and from another buffer when they are tried again.
  OpenSsl().SSL_CTX_ctrl(context, SSL_CTRL_MODE,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, nullptr);
  OpenSsl().SSL_CTX_set_verify(context, options.tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SALVER_RETURN_NOT_OK(LoadFiles(context, options));
  SSL* const session = OpenSsl().SSL_new(context);
  if (session == nullptr) return Status::ResourceExhausted("no memory for a TLS connection.");
  auto made = std::make_unique<TlsSession>(session, socket);
  unsigned char address[sizeof(in6_addr)];
  const bool is_address =
      ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
  X509_VERIFY_PARAM* const rules = OpenSsl().SSL_get0_param(session);
  if (is_address) {
    OpenSsl().X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
  } else {
    OpenSsl().X509_VERIFY_PARAM_set1_host(rules, host.c_str(), 0);
    OpenSsl().SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                       const_cast<char*>(host.c_str()));
  }
  OpenSsl().SSL_set_connect_state(session);
  return made;
}

}  // namespace salver::redis
