// The bytes of one client's connection, both ways, as asio's sockets have them: a handler is never called
// from inside the call that names it.
//
// Thread safety: everything on the loop of the socket.
#pragma once

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace salver {

class ByteStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  explicit ByteStream(Socket socket);

  auto executor() { return socket_.get_executor(); }

  // handler(error, size): some bytes, at least one unless there is an error.
  template <typename Handler>
  void AsyncRead(boost::asio::mutable_buffer to, Handler&& handler) {
    socket_.async_read_some(to, std::forward<Handler>(handler));
  }
  // handler(error, size): all bytes of the sequence.
  template <typename Buffers, typename Handler>
  void AsyncWrite(const Buffers& from, Handler&& handler) {
    boost::asio::async_write(socket_, from, std::forward<Handler>(handler));
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
  Socket socket_;
};

}  // namespace salver
