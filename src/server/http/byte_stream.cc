#include "server/http/byte_stream.h"

namespace salver {

using boost::asio::ip::tcp;
using boost::system::error_code;

ByteStream::ByteStream(Socket socket) : socket_(std::move(socket)) {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

void ByteStream::TryWrite(std::string_view bytes) {
  error_code ignored;
  socket_.write_some(boost::asio::buffer(bytes), ignored);
}

bool ByteStream::HasUnread() {
  error_code ignored;
  return socket_.available(ignored) > 0;
}

void ByteStream::Cancel() {
  error_code ignored;
  socket_.cancel(ignored);
}

void ByteStream::EndWriting() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void ByteStream::Close() {
  error_code ignored;
  socket_.close(ignored);
}

void ByteStream::Reset() {
  error_code ignored;
  socket_.set_option(tcp::socket::linger(true, 0), ignored);
  Close();
}

}  // namespace salver
