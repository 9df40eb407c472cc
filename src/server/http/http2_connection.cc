#include "server/http/http2_connection.h"

#include <boost/asio/post.hpp>

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <new>
#include <utility>

#include "server/feast_errors.h"
#include "server/http/grpc_framing.h"
#include "server/http/http2_call.h"

namespace salver {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr uint32_t kCallsAtOnceMax = 256;
// How many bytes of a body may come before the server takes them: more than one would be a round trip each.
constexpr int32_t kStreamWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 4 << 20;
// Bodies that are held for calls that are not yet handled, as a multiple of the largest.
constexpr size_t kBodiesAtOnceMax = 4;
// With more than this waiting to be written, further calls wait before they are handled.
constexpr size_t kAnswerBytesMax = 4 << 20;
constexpr size_t kWriteBytes = 256 << 10;  // gathered for one write to the socket

std::string_view View(const uint8_t* at, size_t size) {
  return {reinterpret_cast<const char*>(at), size};
}

// Neither copied: both stay until the frame has been made.
nghttp2_nv Header(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

// What nghttp2 calls: found by the stream's id, as a call may be over before its stream is.
struct Http2Connection::Callbacks {
  static Http2Connection* Self(void* user) { return static_cast<Http2Connection*>(user); }
  static Call* Find(void* user, int32_t id) {
    const auto found = Self(user)->calls_.find(id);
    return found == Self(user)->calls_.end() ? nullptr : found->second.get();
  }
  static bool BeginsRequest(const nghttp2_frame* frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  }

  static int OnBegin(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (!BeginsRequest(frame)) return 0;
    auto call = std::make_shared<Call>(&Self(user)->loop_->queue);
    call->id = frame->hd.stream_id;
    call->answered.request_start = Clock::now();
    call->limit = call->answered.request_start + Self(user)->server_->options.idle_time_max;
    Self(user)->calls_[call->id] = std::move(call);
    return 0;
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    if (!BeginsRequest(frame)) return 0;
    if (Call* const call = Find(user, frame->hd.stream_id))
      Self(user)->OnHeader(call, View(name, name_size), View(value, value_size));
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
    if (Call* const call = Find(user, id)) Self(user)->OnBody(call, View(data, size));
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) Self(user)->OnPong();
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Call* const call = Find(user, frame->hd.stream_id);
    if (call == nullptr) return 0;
    if (BeginsRequest(frame)) Self(user)->OnHeadersEnd(call);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) Self(user)->OnRequestEnd(call);
    return 0;
  }
  // A client that is told no before it has sent everything is told to stop sending.
  static int OnSent(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 || frame->hd.stream_id == 0) return 0;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
  }
  static int OnClosed(nghttp2_session*, int32_t id, uint32_t, void* user) {
    Self(user)->OnClosed(id);
    return 0;
  }
  static ssize_t Write(nghttp2_session*, const uint8_t* data, size_t size, int, void* user) {
    if (Self(user)->out_.size() >= kWriteBytes) return NGHTTP2_ERR_WOULDBLOCK;
    Self(user)->out_.append(View(data, size));
    return static_cast<ssize_t>(size);
  }
  // How much of an answer goes into the next frame; WriteData then puts it there.
  static ssize_t ReadAnswer(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                            nghttp2_data_source* source, void*) {
    Call* const call = static_cast<Call*>(source->ptr);
    if (call->given_up) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t size = std::min(most, call->response.body.size() - call->written);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (call->written + size < call->response.body.size()) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->grpc) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv trailers[] = {Header("grpc-status", "0")};
      if (nghttp2_submit_trailer(session, id, trailers, 1) != 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return static_cast<ssize_t>(size);
  }
  static int WriteData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                       nghttp2_data_source* source, void* user) {
    Http2Connection* const self = Self(user);
    if (self->out_.size() >= kWriteBytes) return NGHTTP2_ERR_WOULDBLOCK;
    constexpr size_t kFrameHead = 9;
    Call* const call = static_cast<Call*>(source->ptr);
    if (call->given_up) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self->out_.append(View(head, kFrameHead));
    if (frame->data.padlen > 0) self->out_.push_back(static_cast<char>(frame->data.padlen - 1));
    self->out_.append(call->response.body, call->written, size);
    if (frame->data.padlen > 0) self->out_.append(frame->data.padlen - 1, '\0');
    call->written += size;
    self->answer_bytes_ -= size;
    call->limit = Clock::now() + self->server_->options.idle_time_max;
    return 0;
  }

  static const nghttp2_session_callbacks* Table() {
    static const nghttp2_session_callbacks* const table = [] {
      nghttp2_session_callbacks* made = nullptr;
      if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, OnBegin);
      nghttp2_session_callbacks_set_on_header_callback(made, OnHeader);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, OnData);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, OnFrame);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, OnSent);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, OnClosed);
      nghttp2_session_callbacks_set_send_callback(made, Write);
      nghttp2_session_callbacks_set_send_data_callback(made, WriteData);
      return made;
    }();
    return table;
  }
};

Http2Connection::Http2Connection(ByteStream stream, LoopState* loop)
    : stream_(std::move(stream)), timer_(stream_.executor()), loop_(loop), server_(loop->server) {
  if (nghttp2_session_server_new(&session_, Callbacks::Table(), this) != 0) throw std::bad_alloc();
  ++server_->connections;
}

Http2Connection::~Http2Connection() {
  nghttp2_session_del(session_);
  --server_->connections;
}

void Http2Connection::Start(std::string_view first) {
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kCallsAtOnceMax},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(server_->options.head_bytes_max)}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  idle_limit_ = Clock::now() + server_->options.idle_time_max;
  Watch();
  Receive(first);
}

void Http2Connection::Stop() {
  // After what the loop has read already.
  asio::post(stream_.executor(), [self = shared_from_this()] { self->StopNow(); });
}

// The client may have sent calls that are under way to here. So it is told first that there will be no more,
// with a ping behind; once that is answered, everything it had sent before it knew has come.
void Http2Connection::StopNow() {
  if (closed_ || draining_ || stopped_) return;
  stopped_ = true;
  end_limit_ = Clock::now() + server_->options.stop_time_max;
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  Watch();
  Send();
}

void Http2Connection::OnPong() {
  if (!stopped_) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void Http2Connection::Read() {
  auto self = shared_from_this();
  stream_.AsyncRead(asio::buffer(buffer_), [self](error_code error, size_t size) {
    if (self->closed_ || self->draining_) return;
    if (error) return self->Close();
    self->Receive({self->buffer_.data(), size});
  });
}

void Http2Connection::Receive(std::string_view bytes) {
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // What a client does wrong is answered inside; an error here means that the bytes are not HTTP/2.
  if (taken < 0) nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR);
  Send();
  if (!closed_ && !draining_) Read();
}

void Http2Connection::Send() {
  if (writing_ || closed_ || draining_) return;
  out_.clear();
  do {
    if (nghttp2_session_send(session_) != 0) return Close();
  } while (HandleWaiting() && out_.size() < kWriteBytes);  // what was written may have made room
  if (out_.empty()) {
    if (calls_.empty()) out_.shrink_to_fit();
    if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) Drain();
    return;
  }
  writing_ = true;
  write_limit_ = Clock::now() + server_->options.idle_time_max;
  auto self = shared_from_this();
  stream_.AsyncWrite(asio::const_buffer(out_.data(), out_.size()), [self](error_code error, size_t) {
    self->writing_ = false;
    if (self->closed_) return;
    if (error) return self->Close();
    self->Send();
  });
}

// Closing while bytes of the client are unread would reset the connection, and the last answers with it.
void Http2Connection::Drain() {
  if (!draining_) {
    draining_ = true;
    stream_.Cancel();
    stream_.EndWriting();
    end_limit_ = std::min(end_limit_, Clock::now() + kDrainTime);
    Watch();
  }
  auto self = shared_from_this();
  stream_.AsyncRead(asio::buffer(buffer_), [self](error_code error, size_t) {
    if (self->closed_ || error == asio::error::operation_aborted) return;
    return error ? self->Close() : self->Drain();
  });
}

void Http2Connection::Close() {
  if (closed_) return;
  closed_ = true;
  for (const auto& [id, call] : calls_) {
    call->closed = true;
    call->LetGo();
  }
  timer_.cancel();
  stream_.Close();
}

void Http2Connection::OnHeader(Call* call, std::string_view name, std::string_view value) {
  call->head_bytes += name.size() + value.size();
  if (call->head_bytes > server_->options.head_bytes_max) return;  // refused at the head's end
  if (name == ":method") {
    call->request.method = value;
  } else if (name == ":path") {
    call->request.target = value;
  } else if (name == "accept") {
    call->request.AddAccept(value);
  } else if (name == "content-type") {
    call->content_type = value;
    call->grpc = IsGrpcContentType(value);
  } else if (name == "grpc-timeout") {
    call->timeout = ParseGrpcTimeout(value);
  }
}

void Http2Connection::OnHeadersEnd(Call* call) {
  if (call->head_bytes <= server_->options.head_bytes_max) return;
  Refuse(call, 431,
         Status::ResourceExhausted("the head of the request has more than " +
                                       std::to_string(server_->options.head_bytes_max) + " bytes.",
                                   Reason::kLimit));
}

void Http2Connection::OnBody(Call* call, std::string_view bytes) {
  if (call->stage != Call::Stage::kReading) return;
  const size_t most = server_->options.body_bytes_max;
  if (bytes.size() > most + (call->grpc ? kGrpcPrefix : 0) - call->request.body.size()) {
    return Refuse(call, 413,
                  Status::ResourceExhausted(
                      "the body of the request has more than " + std::to_string(most) + " bytes. Split it.",
                      Reason::kLimit));
  }
  if (body_bytes_ + bytes.size() > kBodiesAtOnceMax * most) {
    return Refuse(call, 503,
                  Status::ResourceExhausted("the requests of this connection have more than " +
                                            std::to_string(kBodiesAtOnceMax * most) +
                                            " bytes at once. Send fewer at a time."));
  }
  if (!loop_->queue.TakeBody(bytes.size(), call->request.body.size()))
    return Refuse(call, 503, Status::Unavailable(std::string(kTooManyBytes)));
  call->held.Taken(bytes.size());
  call->request.body.append(bytes);
  body_bytes_ += bytes.size();
}

void Http2Connection::OnRequestEnd(Call* call) {
  if (call->stage != Call::Stage::kReading) return;  // refused before
  call->stage = Call::Stage::kWaiting;
  call->answered.request_end = Clock::now();
  const auto shared = calls_[call->id];
  if (answer_bytes_ > kAnswerBytesMax || !waiting_.empty()) {
    waiting_.push_back(shared);
  } else {
    Handle(shared);
  }
}

bool Http2Connection::HandleWaiting() {
  bool handled = false;
  while (!waiting_.empty() && answer_bytes_ <= kAnswerBytesMax) {
    const auto call = std::move(waiting_.front());
    waiting_.pop_front();
    if (call->closed) continue;
    Handle(call);
    handled = true;
  }
  return handled;
}

void Http2Connection::OnClosed(int32_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  Call* const call = found->second.get();
  const auto now = Clock::now();
  call->closed = true;
  if (call->stage == Call::Stage::kReading || call->stage == Call::Stage::kWaiting)
    body_bytes_ -= call->request.body.size();
  if (call->stage == Call::Stage::kAnswering) {
    answer_bytes_ -= call->response.body.size() - call->written;
    RecordWritten(call->answered, server_->options, now);
  }
  call->LetGo();
  calls_.erase(found);
  idle_limit_ = now + server_->options.idle_time_max;
}

void Http2Connection::SendSoon() {
  if (std::exchange(sending_soon_, true)) return;
  asio::post(stream_.executor(), [self = shared_from_this()] {
    self->sending_soon_ = false;
    self->Send();
  });
}

// The client takes other answers, or none; this one has waited for long, and its room is needed.
void Http2Connection::GiveUpAnswer(Call* call) {
  answer_bytes_ -= call->response.body.size() - call->written;
  call->given_up = true;
  call->written = 0;
  std::string().swap(call->response.body);
  call->LetGo();
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
  SendSoon();
}

void Http2Connection::Refuse(Call* call, int http_status, const Status& reason) {
  body_bytes_ -= call->request.body.size();
  call->request.body.clear();
  call->answered.request_end = call->answered.handling_start = Clock::now();
  call->response = Refusal(http_status, reason.message());
  call->status = reason;
  Answer(call);
}

void Http2Connection::Answer(Call* call) {
  call->stage = Call::Stage::kAnswering;
  call->limit = Clock::now() + server_->options.idle_time_max;
  call->written = 0;
  if ((call->grpc && !call->status.ok()) || call->request.method == "HEAD") call->response.body.clear();
  answer_bytes_ += call->response.body.size();
  Record(call);
  call->held.Set(call->request.body.size() + call->response.body.size());
  call->answered_on = this;
  call->large.Begin(call, call->response.body.size());
  call->grpc ? AnswerGrpc(call) : AnswerHttp(call);
}

void Http2Connection::AnswerGrpc(Call* call) {
  const nghttp2_data_provider body{{.ptr = call}, Callbacks::ReadAnswer};
  if (call->status.ok()) {
    const nghttp2_nv head[] = {Header(":status", "200"), Header("content-type", "application/grpc")};
    nghttp2_submit_response(session_, call->id, head, std::size(head), &body);
    return;
  }
  const std::string code = std::to_string(static_cast<int>(ToGrpcCode(call->status)));
  const std::string text = GrpcMessageHeader(call->status.message());
  const nghttp2_nv head[] = {Header(":status", "200"), Header("content-type", "application/grpc"),
                             Header("grpc-status", code), Header("grpc-message", text),
                             Header("grpc-accept-encoding", "identity")};
  nghttp2_submit_response(session_, call->id, head, std::size(head), nullptr);
}

void Http2Connection::AnswerHttp(Call* call) {
  const std::string status = std::to_string(call->response.status);
  const std::string length = std::to_string(call->response.body.size());
  std::vector<nghttp2_nv> head = {Header(":status", status), Header("content-length", length)};
  if (!call->response.content_type.empty())
    head.push_back(Header("content-type", call->response.content_type));
  if (call->response.retry_after) head.push_back(Header("retry-after", "1"));
  const nghttp2_data_provider body{{.ptr = call}, Callbacks::ReadAnswer};
  nghttp2_submit_response(session_, call->id, head.data(), head.size(),
                          call->response.body.empty() ? nullptr : &body);
}

Http2Connection::Clock::time_point Http2Connection::NextLimit() const {
  auto next = end_limit_;
  if (writing_) next = std::min(next, write_limit_);
  if (calls_.empty() && !draining_) next = std::min(next, idle_limit_);
  for (const auto& [id, call] : calls_) next = std::min(next, call->limit);
  // What begins from now on has at least this long.
  return std::min(next, Clock::now() + server_->options.idle_time_max);
}

void Http2Connection::Watch() {
  timer_.expires_at(NextLimit());
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && !self->closed_) self->OnTimer();
  });
}

void Http2Connection::OnTimer() {
  const auto now = Clock::now();
  if (now >= end_limit_ || (writing_ && now >= write_limit_)) {
    stream_.Reset();
    return Close();
  }
  if (!draining_) {
    EndOverdueCalls(now);
    if (calls_.empty() && now >= idle_limit_) EndIdle();
    Send();
  }
  if (!closed_) Watch();
}

void Http2Connection::EndIdle() {
  if (stream_.HasUnread()) {  // a loop that was busy with others has not come to it yet
    idle_limit_ = Clock::now() + server_->options.idle_time_max;
    return;
  }
  idle_limit_ = Clock::time_point::max();
  nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
}

void Http2Connection::EndOverdueCalls(Clock::time_point now) {
  std::vector<Call*> overdue;
  for (const auto& [id, call] : calls_) {
    if (now >= call->limit) overdue.push_back(call.get());
  }
  for (Call* const call : overdue) {
    if (call->stage == Call::Stage::kReading) {
      Refuse(call, 408, Status::DeadlineExceeded("the request was not complete in time."));
    } else {  // nobody takes its answer
      call->limit = Clock::time_point::max();
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
    }
  }
}

}  // namespace salver
