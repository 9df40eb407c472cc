// The bytes of one client's connection, both ways, plain or through TLS, as asio's sockets have them: a
// handler is never called from inside the call that names it.
//
// Thread safety: everything on the loop of the socket.
#pragma once

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/tls_context.h"

namespace salver {

class ByteStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Handler = std::function<void(boost::system::error_code, size_t)>;
  enum class Greeting { kDone, kPlain /* the client speaks no TLS */, kFailed };

  // `tls`: null for a plain connection. Otherwise nothing is read or written before Greet is done.
  ByteStream(Socket socket, const TlsContext* tls);

  auto executor() { return socket_.get_executor(); }
  bool is_tls() const { return tls_ != nullptr; }

  // Agrees on TLS. After kPlain the stream goes on without.
  void AsyncGreet(std::function<void(Greeting)> handler);
  // What went wrong with TLS last.
  std::string Problem() const { return tls_->Problem(); }

  // handler(error, size): some bytes, at least one unless there is an error.
  template <typename AnyHandler>
  void AsyncRead(boost::asio::mutable_buffer to, AnyHandler&& handler) {
    if (tls_ != nullptr) return ReadTls(to, std::forward<AnyHandler>(handler));
    socket_.async_read_some(to, std::forward<AnyHandler>(handler));
  }
  // handler(error, size): all bytes of the sequence.
  template <typename Buffers, typename AnyHandler>
  void AsyncWrite(const Buffers& from, AnyHandler&& handler) {
    if (tls_ != nullptr) {
      pieces_.assign(boost::asio::buffer_sequence_begin(from), boost::asio::buffer_sequence_end(from));
      JoinShortPieces();
      return WriteTls(0, std::forward<AnyHandler>(handler));
    }
    // All that the socket takes at once: asio's own rule is 64 KiB, then everything else that waits, then
    // more.
    const auto all_at_once = [](const boost::system::error_code& error, size_t) {
      return error ? size_t{0} : SIZE_MAX;
    };
    boost::asio::async_write(socket_, from, all_at_once, std::forward<AnyHandler>(handler));
  }
  // As many of the bytes as go at once, for what may be lost.
  void TryWrite(std::string_view bytes);
  // True when bytes have come that nobody has read.
  bool HasUnread();
  // Ends reads and writes that are under way.
  void Cancel();
  // Says that nothing more will be written.
  void EndWriting();
  void Close();
  // Closes without offering the client what it has not taken.
  void Reset();

 private:
  void LookForTls(std::function<void(Greeting)> handler);
  void ReadTls(boost::asio::mutable_buffer to, Handler handler);
  void WriteTls(size_t written, Handler handler);
  void JoinShortPieces();
  // `handler` gets what a step came to that neither moved bytes nor has to wait.
  void Fail(ssize_t step, Handler handler);

  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  bool greeted_ = false;
  std::vector<boost::asio::const_buffer> pieces_;  // of what is being written through TLS
  std::string joined_;
};

}  // namespace salver
