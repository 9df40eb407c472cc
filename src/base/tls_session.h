// TLS over a socket that does not block, a step at a time. Who connects or accepts makes the SSL object
// (openssl.h) and leaves it here.
//
// Thread safety: one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>

struct ssl_st;  // OpenSSL's SSL

namespace salver {

class TlsSession {
 public:
  // What a step came to: a count of bytes above 0, or one of these.
  static constexpr ssize_t kClosed = 0, kWantsRead = -1, kWantsWrite = -2, kFailed = -3;

  // Takes `session` over, which knows which side it is. `socket` stays the caller's and outlives this.
  TlsSession(ssl_st* session, int socket);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // One step of the greeting: 1 when it is over.
  ssize_t Handshake();
  ssize_t Read(char* to, size_t size);
  ssize_t Write(const char* from, size_t size);
  // True when bytes have been decrypted that nobody has read.
  bool HasUnread() const;
  // Says that nothing more will be written, as far as the socket takes it.
  void EndWriting();
  // What went wrong last, in OpenSSL's words.
  std::string Problem() const;

 private:
  ssize_t Outcome(int returned);

  ssl_st* const session_;
  const int socket_;
};

}  // namespace salver
