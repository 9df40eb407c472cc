#include "base/tls_session.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/openssl.h"

namespace salver {
namespace {

// OpenSSL's own way to a socket writes so that a peer who is gone ends the process by SIGPIPE.
int Outcome(BIO* bio, ssize_t moved, int retry) {
  OpenSsl().BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    OpenSsl().BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
  return static_cast<int>(moved);
}
int SocketOf(BIO* bio) {
  return *static_cast<const int*>(OpenSsl().BIO_get_data(bio));
}
int WriteSocket(BIO* bio, const char* from, int size) {
  return Outcome(bio, ::send(SocketOf(bio), from, static_cast<size_t>(size), MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}
int ReadSocket(BIO* bio, char* to, int size) {
  return Outcome(bio, ::recv(SocketOf(bio), to, static_cast<size_t>(size), 0), BIO_FLAGS_READ);
}
long Control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;  // nothing is held back
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = OpenSsl().BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    OpenSsl().BIO_meth_set_write(made, WriteSocket);
    OpenSsl().BIO_meth_set_read(made, ReadSocket);
    OpenSsl().BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

}  // namespace

TlsSession::TlsSession(ssl_st* session, int socket) : session_(session), socket_(socket) {
  BIO* const bio = OpenSsl().BIO_new(SocketMethod());
  OpenSsl().BIO_set_data(bio, const_cast<int*>(&socket_));
  OpenSsl().BIO_set_init(bio, 1);
  OpenSsl().SSL_set_bio(session_, bio, bio);  // which takes it over
}

TlsSession::~TlsSession() {
  OpenSsl().SSL_free(session_);
}

ssize_t TlsSession::Outcome(int returned) {
  if (returned > 0) return returned;
  switch (OpenSsl().SSL_get_error(session_, returned)) {
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
  OpenSsl().ERR_clear_error();
  return Outcome(OpenSsl().SSL_do_handshake(session_));
}

ssize_t TlsSession::Read(char* to, size_t size) {
  OpenSsl().ERR_clear_error();
  return Outcome(OpenSsl().SSL_read(session_, to, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

ssize_t TlsSession::Write(const char* from, size_t size) {
  OpenSsl().ERR_clear_error();
  return Outcome(OpenSsl().SSL_write(session_, from, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

bool TlsSession::HasUnread() const {
  return OpenSsl().SSL_pending(session_) > 0;
}

void TlsSession::EndWriting() {
  OpenSsl().ERR_clear_error();
  (void)OpenSsl().SSL_shutdown(session_);
}

std::string TlsSession::Problem() const {
  const long verified = OpenSsl().SSL_get_verify_result(session_);
  if (verified != X509_V_OK) return OpenSsl().X509_verify_cert_error_string(verified);
  return OpenSslError();
}

}  // namespace salver
