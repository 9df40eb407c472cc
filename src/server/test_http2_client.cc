#include "server/test_http2_client.h"

#include <nghttp2/nghttp2.h>

#include <stdexcept>

namespace salver {

struct TestHttp2Client::Session {
  struct Body {
    std::string bytes;
    bool end = true;
  };
  nghttp2_session* raw = nullptr;
  std::string out;
  std::map<int, TestHttp2Answer> answers;
  std::map<int, Body> bodies;
  bool goaway = false;

  static Session* Self(void* user) { return static_cast<Session*>(user); }
  static std::string Text(const uint8_t* at, size_t size) {
    return {reinterpret_cast<const char*>(at), size};
  }
  static ssize_t ReadBody(nghttp2_session*, int32_t id, uint8_t* to, size_t most, uint32_t* flags,
                          nghttp2_data_source*, void* user) {
    Body& body = Self(user)->bodies[id];
    const size_t size = body.bytes.copy(reinterpret_cast<char*>(to), most);
    body.bytes.erase(0, size);
    if (body.bytes.empty() && body.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (size == 0 && !body.end) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(size);
  }

  Session() {
    nghttp2_session_callbacks* made;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_send_callback(
        made, [](nghttp2_session*, const uint8_t* data, size_t size, int, void* user) {
          Self(user)->out += Text(data, size);
          return static_cast<ssize_t>(size);
        });
    nghttp2_session_callbacks_set_on_header_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                 const uint8_t* value, size_t value_size, uint8_t, void* user) {
          Self(user)->answers[frame->hd.stream_id].headers[Text(name, name_size)] = Text(value, value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        made, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
          Self(user)->answers[id].body += Text(data, size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          if (frame->hd.type == NGHTTP2_GOAWAY) Self(user)->goaway = true;
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        made, [](nghttp2_session*, int32_t id, uint32_t code, void* user) {
          Self(user)->answers[id].done = true;
          Self(user)->answers[id].reset = code;
          return 0;
        });
    nghttp2_session_client_new(&raw, made, this);
    nghttp2_session_callbacks_del(made);
    nghttp2_submit_settings(raw, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Session() { nghttp2_session_del(raw); }
};

TestHttp2Client::TestHttp2Client(int port, size_t piece)
    : socket_(port), piece_(piece), session_(std::make_unique<Session>()) {
  Flush();
}
TestHttp2Client::~TestHttp2Client() = default;

void TestHttp2Client::Flush() {
  nghttp2_session_send(session_->raw);
  std::string bytes;
  bytes.swap(session_->out);
  const size_t piece = piece_ > 0 ? piece_ : bytes.size();
  for (size_t at = 0; at < bytes.size(); at += piece) socket_.Send(std::string_view(bytes).substr(at, piece));
}

bool TestHttp2Client::Receive() {
  const std::string bytes = socket_.ReceiveSome();
  if (bytes.empty()) return false;
  nghttp2_session_mem_recv(session_->raw, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  Flush();
  return true;
}

int TestHttp2Client::Begin(const Headers& headers, std::string_view body, bool end) {
  std::vector<nghttp2_nv> list;
  for (const auto& [name, value] : headers) {
    list.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                    reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                    NGHTTP2_NV_FLAG_NONE});
  }
  const nghttp2_data_provider provider{{.ptr = nullptr}, Session::ReadBody};
  const bool has_body = !body.empty() || !end;
  const int stream = nghttp2_submit_request(session_->raw, nullptr, list.data(), list.size(),
                                            has_body ? &provider : nullptr, nullptr);
  session_->bodies[stream] = {std::string(body), end};
  Flush();
  return stream;
}

int TestHttp2Client::BeginGrpc(std::string_view path, std::string_view message, const Headers& more) {
  Headers headers = {{":method", "POST"},
                     {":scheme", "http"},
                     {":path", std::string(path)},
                     {":authority", "test"},
                     {"content-type", "application/grpc"},
                     {"te", "trailers"}};
  headers.insert(headers.end(), more.begin(), more.end());
  std::string body(5, '\0');
  for (size_t i = 1; i < 5; ++i) body[i] = static_cast<char>(message.size() >> (8 * (4 - i)) & 0xff);
  return Begin(headers, body + std::string(message));
}

void TestHttp2Client::SendBody(int stream, std::string_view bytes, bool end) {
  session_->bodies[stream].bytes += bytes;
  session_->bodies[stream].end = end;
  nghttp2_session_resume_data(session_->raw, stream);
  Flush();
}

void TestHttp2Client::Reset(int stream) {
  nghttp2_submit_rst_stream(session_->raw, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  Flush();
}

TestHttp2Answer TestHttp2Client::Await(int stream) {
  while (!session_->answers[stream].done) {
    if (!Receive()) throw std::runtime_error("the connection ended before the answer");
  }
  return session_->answers[stream];
}

TestHttp2Answer TestHttp2Client::Grpc(std::string_view path, std::string_view message, const Headers& more) {
  return Await(BeginGrpc(path, message, more));
}

void TestHttp2Client::AwaitGoaway() {
  while (!session_->goaway) {
    if (!Receive()) throw std::runtime_error("the connection ended without a GOAWAY");
  }
}

bool TestHttp2Client::told_to_go() const {
  return session_->goaway;
}

void TestHttp2Client::AwaitSilentEnd() {
  socket_.AwaitHangup();
  AwaitEnd();
}

void TestHttp2Client::AwaitEnd() {
  while (Receive()) {
  }
}

}  // namespace salver
