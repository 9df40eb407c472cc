#include "server/http/byte_stream.h"

#include <boost/asio/post.hpp>

#include <sys/socket.h>

namespace salver {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

ByteStream::ByteStream(Socket socket, const TlsContext* tls) : socket_(std::move(socket)) {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  if (tls != nullptr) tls_ = tls->NewSession(socket_.native_handle());
}

void ByteStream::AsyncGreet(std::function<void(Greeting)> handler) {
  socket_.async_wait(tcp::socket::wait_read, [this, handler = std::move(handler)](error_code error) mutable {
    if (error) return handler(Greeting::kFailed);
    LookForTls(std::move(handler));
  });
}

// A TLS client begins with a record of this type; people and programs that ask for http:// begin with a
// letter.
void ByteStream::LookForTls(std::function<void(Greeting)> handler) {
  constexpr char kHandshake = 22;
  char first = 0;
  if (!greeted_ && ::recv(socket_.native_handle(), &first, 1, MSG_PEEK) == 1 && first != kHandshake) {
    tls_.reset();
    return handler(Greeting::kPlain);
  }
  greeted_ = true;
  const ssize_t step = tls_->Handshake();
  if (step == TlsSession::kWantsRead || step == TlsSession::kWantsWrite) {
    const auto wanted = step == TlsSession::kWantsRead ? tcp::socket::wait_read : tcp::socket::wait_write;
    socket_.async_wait(wanted, [this, handler = std::move(handler)](error_code error) mutable {
      if (error) return handler(Greeting::kFailed);
      LookForTls(std::move(handler));
    });
    return;
  }
  handler(step > 0 ? Greeting::kDone : Greeting::kFailed);
}

void ByteStream::Fail(ssize_t step, Handler handler) {
  const error_code error =
      step == TlsSession::kClosed ? error_code(asio::error::eof) : error_code(asio::error::connection_reset);
  asio::post(socket_.get_executor(), [handler = std::move(handler), error] { handler(error, 0); });
}

void ByteStream::ReadTls(asio::mutable_buffer to, Handler handler) {
  const ssize_t step = tls_->Read(static_cast<char*>(to.data()), to.size());
  if (step > 0) {
    asio::post(socket_.get_executor(),
               [handler = std::move(handler), step] { handler(error_code(), static_cast<size_t>(step)); });
    return;
  }
  if (step != TlsSession::kWantsRead && step != TlsSession::kWantsWrite)
    return Fail(step, std::move(handler));
  const auto wanted = step == TlsSession::kWantsRead ? tcp::socket::wait_read : tcp::socket::wait_write;
  socket_.async_wait(wanted, [this, to, handler = std::move(handler)](error_code error) mutable {
    if (error) return handler(error, 0);
    ReadTls(to, std::move(handler));
  });
}

// A record for the head and one for a short body would be two writes to the socket.
void ByteStream::JoinShortPieces() {
  constexpr size_t kRecord = 16 << 10;
  if (pieces_.size() < 2 || asio::buffer_size(pieces_) > kRecord) return;
  joined_.clear();
  for (const auto& piece : pieces_) joined_.append(static_cast<const char*>(piece.data()), piece.size());
  pieces_.assign(1, asio::const_buffer(joined_.data(), joined_.size()));
}

void ByteStream::WriteTls(size_t written, Handler handler) {
  for (auto& piece : pieces_) {
    while (piece.size() > 0) {
      const ssize_t step = tls_->Write(static_cast<const char*>(piece.data()), piece.size());
      if (step > 0) {
        piece += static_cast<size_t>(step);
        written += static_cast<size_t>(step);
        continue;
      }
      if (step != TlsSession::kWantsRead && step != TlsSession::kWantsWrite)
        return Fail(TlsSession::kFailed, std::move(handler));
      const auto wanted = step == TlsSession::kWantsRead ? tcp::socket::wait_read : tcp::socket::wait_write;
      socket_.async_wait(wanted, [this, written, handler = std::move(handler)](error_code error) mutable {
        if (error) return handler(error, written);
        WriteTls(written, std::move(handler));
      });
      return;
    }
  }
  asio::post(socket_.get_executor(),
             [handler = std::move(handler), written] { handler(error_code(), written); });
}

void ByteStream::TryWrite(std::string_view bytes) {
  error_code ignored;
  if (tls_ != nullptr) {
    (void)tls_->Write(bytes.data(), bytes.size());
  } else {
    socket_.write_some(asio::buffer(bytes), ignored);
  }
}

bool ByteStream::HasUnread() {
  error_code ignored;
  return socket_.available(ignored) > 0 || (tls_ != nullptr && tls_->HasUnread());
}

void ByteStream::Cancel() {
  error_code ignored;
  socket_.cancel(ignored);
}

void ByteStream::EndWriting() {
  error_code ignored;
  if (tls_ != nullptr) tls_->EndWriting();
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void ByteStream::Close() {
  error_code ignored;
  if (tls_ != nullptr && socket_.is_open()) tls_->EndWriting();
  socket_.close(ignored);
}

void ByteStream::Reset() {
  error_code ignored;
  socket_.set_option(tcp::socket::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace salver
