#include "server/http/connection.h"

#include <boost/asio/post.hpp>

#include <strings.h>

#include "salver/log.h"
#include "server/http/http2_connection.h"
#include "server/http/run_request.h"

namespace salver {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// For a client to agree on TLS.
constexpr std::chrono::milliseconds kGreetingTime{10'000};
// Buffers up to this size are kept for the next request.
constexpr size_t kKeptBytes = 64 << 10;

const char* StatusText(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

void AppendHead(const HttpResponse& response, bool keep_alive, std::string* out) {
  *out += "HTTP/1.1 ";
  *out += std::to_string(response.status);
  *out += ' ';
  *out += StatusText(response.status);
  *out += "\r\n";
  if (!response.content_type.empty()) ((*out += "content-type: ") += response.content_type) += "\r\n";
  if (response.retry_after) *out += "retry-after: 1\r\n";
  if (!keep_alive) *out += "connection: close\r\n";
  ((*out += "content-length: ") += std::to_string(response.body.size())) += "\r\n\r\n";
}

void Empty(std::string* text) {
  text->clear();
  if (text->capacity() > kKeptBytes) text->shrink_to_fit();
}

}  // namespace

const llhttp_settings_t* Connection::Callbacks() {
  static const llhttp_settings_t callbacks = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_message_begin = [](llhttp_t* p) { return Self(p)->OnBegin(); };
    made.on_method = [](llhttp_t* p, const char* at, size_t size) {
      return Self(p)->OnHead(&Self(p)->request_.method, at, size);
    };
    made.on_url = [](llhttp_t* p, const char* at, size_t size) {
      return Self(p)->OnHead(&Self(p)->request_.target, at, size);
    };
    made.on_header_field = [](llhttp_t* p, const char* at, size_t size) {
      return Self(p)->OnHead(&Self(p)->header_name_, at, size);
    };
    made.on_header_value = [](llhttp_t* p, const char* at, size_t size) {
      return Self(p)->OnHead(&Self(p)->header_value_, at, size);
    };
    made.on_header_value_complete = [](llhttp_t* p) { return Self(p)->OnHeaderEnd(); };
    made.on_headers_complete = [](llhttp_t* p) { return Self(p)->OnHeadersComplete(); };
    made.on_body = [](llhttp_t* p, const char* at, size_t size) { return Self(p)->OnBody(at, size); };
    made.on_message_complete = [](llhttp_t*) { return int{HPE_PAUSED}; };  // one request at a time
    return made;
  }();
  return &callbacks;
}

Connection::Connection(ByteStream stream, LoopState* loop)
    : stream_(std::move(stream)),
      timer_(stream_.executor()),
      loop_(loop),
      server_(loop->server),
      held_(&loop->queue),
      large_(&loop->queue) {
  ++server_->connections;
  llhttp_init(&parser_, HTTP_REQUEST, Callbacks());
  parser_.data = this;
}

Connection::~Connection() {
  --server_->connections;
}

void Connection::Start() {
  stream_.is_tls() ? Greet() : Read(Clock::now());
}

void Connection::Greet() {
  stage_ = Stage::kGreeting;
  SetDeadline(Clock::now() + std::min(kGreetingTime, server_->options.idle_time_max));
  stream_.AsyncGreet([self = shared_from_this()](ByteStream::Greeting greeting) {
    if (self->stage_ != Stage::kGreeting) return;  // closed by the clock meanwhile
    if (greeting == ByteStream::Greeting::kDone) return self->Read(Clock::now());
    if (greeting == ByteStream::Greeting::kPlain) {
      return self->Answer(
          Refusal(400, "this port speaks TLS: ask it with https://, or a secure gRPC channel."));
    }
    LogLine line(LogRoom::kServer, "greeting");
    line.Add("tls", self->stream_.Problem());
    line.End();
    self->Close();
  });
}

void Connection::StartRefused() {
  if (stream_.is_tls()) return Close();  // to say why would cost a greeting
  Answer({.status = 503,
          .body = "\"the server has all the connections it takes. Try again later.\"",
          .retry_after = true,
          .close = true});
}

void Connection::Stop() {
  // Bytes that the loop has taken from the socket already may wait for their turn behind this call: after
  // them.
  asio::post(stream_.executor(), [self = shared_from_this()] { self->StopNow(); });
}

void Connection::StopNow() {
  if (stage_ == Stage::kGreeting) return Close();
  // A read that has its bytes already goes on with them; one that waits ends, and the connection with it.
  if (stage_ == Stage::kReading && !begun_) return stream_.Cancel();
  if (stage_ == Stage::kReading || stage_ == Stage::kWriting) {
    SetDeadline(std::min(deadline_, Clock::now() + server_->options.stop_time_max));
  }
}

int Connection::OnBegin() {
  Empty(&request_.body);
  held_.Set(0);
  request_.method.clear();
  request_.target.clear();
  request_.accept.clear();
  header_name_.clear();
  header_value_.clear();
  head_bytes_ = 0;
  wants_continue_ = false;
  return 0;
}

int Connection::OnHead(std::string* to, const char* at, size_t size) {
  head_bytes_ += size;
  if (head_bytes_ > server_->options.head_bytes_max) {
    return Refuse(431, "the head of the request has more than " +
                           std::to_string(server_->options.head_bytes_max) + " bytes.");
  }
  to->append(at, size);
  return 0;
}

int Connection::OnHeaderEnd() {
  if (strcasecmp(header_name_.c_str(), "expect") == 0 &&
      strcasecmp(header_value_.c_str(), "100-continue") == 0) {
    wants_continue_ = true;
  } else if (strcasecmp(header_name_.c_str(), "accept") == 0) {
    request_.AddAccept(header_value_);
  }
  header_name_.clear();
  header_value_.clear();
  return 0;
}

int Connection::OnHeadersComplete() {
  // Some clients offer another protocol with every request ("Upgrade: h2c"); it goes on in HTTP/1.1.
  parser_.upgrade = 0;
  const bool has_length = (parser_.flags & F_CONTENT_LENGTH) != 0;
  if (has_length && parser_.content_length > server_->options.body_bytes_max)
    return OnBody(nullptr, SIZE_MAX);
  // A client that does not get it sends its body after a second.
  if (wants_continue_) stream_.TryWrite("HTTP/1.1 100 Continue\r\n\r\n");
  return 0;
}

int Connection::OnBody(const char* at, size_t size) {
  if (size > server_->options.body_bytes_max - request_.body.size()) {
    return Refuse(413, "the body of the request has more than " +
                           std::to_string(server_->options.body_bytes_max) + " bytes. Split it.");
  }
  if (!loop_->queue.TakeBody(size, request_.body.size())) {
    refusal_ = TryLater(kTooManyBytes);
    refusal_.close = true;
    return HPE_USER;
  }
  held_.Taken(size);
  request_.body.append(at, size);
  return 0;
}

int Connection::Refuse(int status, std::string_view reason) {
  refusal_ = Refusal(status, reason);
  return HPE_USER;
}

void Connection::Read(Clock::time_point now) {
  stage_ = Stage::kReading;
  // One limit for the wait between requests, one for all the bytes of a request: a client that sends a byte
  // now and then gains nothing.
  const auto limit = server_->stopping
                         ? std::min(server_->options.stop_time_max, server_->options.idle_time_max)
                         : server_->options.idle_time_max;
  SetDeadline((begun_ ? answered_.request_start : now) + limit);
  auto self = shared_from_this();
  stream_.AsyncRead(asio::buffer(buffer_), [self](error_code error, size_t size) {
    if (self->stage_ != Stage::kReading) return;  // answered or closed by the clock meanwhile
    // Ended by StopNow, while a request came.
    if (error == asio::error::operation_aborted && self->stream_.HasUnread()) return self->Read(Clock::now());
    if (error) return self->Close();
    self->pending_ = std::string_view(self->buffer_.data(), size);
    self->Parse(Clock::now());
  });
}

// Feeds what was read; handles the first whole request in it, or reads on.
void Connection::Parse(Clock::time_point now) {
  if (pending_.empty()) {
    // The next request may have come while the last answer was on its way: closing would drop it unread.
    if (server_->stopping && !begun_ && !stream_.HasUnread()) return Close();
    return Read(now);
  }
  if (!begun_) {
    begun_ = true;
    answered_.request_start = now;
  }
  const llhttp_errno_t error = llhttp_execute(&parser_, pending_.data(), pending_.size());
  if (error == HPE_OK) {
    pending_ = {};
    return Read(now);
  }
  if (error == HPE_PAUSED_H2_UPGRADE) {
    pending_.remove_prefix(static_cast<size_t>(llhttp_get_error_pos(&parser_) - pending_.data()));
    return GoOnAsHttp2();
  }
  if (error == HPE_PAUSED) {
    pending_.remove_prefix(static_cast<size_t>(llhttp_get_error_pos(&parser_) - pending_.data()));
    return Handle(now);
  }
  if (refusal_.status == 200) {
    const char* reason = llhttp_get_error_reason(&parser_);
    Refuse(400, std::string("the request is not HTTP/1.1: ") +
                    (reason != nullptr ? reason : "it ends early") + ".");
  }
  Answer(std::move(refusal_));
}

// Nothing but the preface has been read of it, so nothing is lost with this object.
void Connection::GoOnAsHttp2() {
  constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  auto next = std::make_shared<Http2Connection>(std::move(stream_), loop_);
  loop_->sessions.Add(next);
  stage_ = Stage::kClosed;
  timer_.cancel();
  next->Start(std::string(kPreface) + std::string(pending_));
  if (server_->stopping) next->Stop();
}

void Connection::Handle(Clock::time_point now) {
  stage_ = Stage::kHandling;
  keep_alive_ = llhttp_should_keep_alive(&parser_) != 0;
  llhttp_resume(&parser_);
  answered_.request_end = answered_.handling_start = now;
  HttpResponse response;
  route_ = FindRoute(request_, loop_->metrics_only, &response);
  if (route_ == nullptr) return Answer(std::move(response));
  if (route_->turn == HttpTurn::kAtOnce) return Answer(RunRoute(*route_, request_, server_->context));
  SetDeadline(Clock::time_point::max());  // its turn comes, and a materialization takes the time it takes
  if (route_->turn == HttpTurn::kQueued) {
    size_t answer_bytes = 0;
    if (!loop_->queue.Enter(shared_from_this(), EndpointOf(*route_), request_.body.size(), now,
                            &answer_bytes))
      return Answer(TryLater(kTooBusy));
    return held_.Taken(answer_bytes);
  }
  auto self = shared_from_this();
  const bool queued = server_->context.run_later(route_->turn, [self] {
    self->answered_.handling_start = Clock::now();
    auto answer =
        std::make_shared<HttpResponse>(RunRoute(*self->route_, self->request_, self->server_->context));
    asio::post(self->stream_.executor(), [self, answer] { self->Answer(std::move(*answer)); });
  });
  if (!queued) Answer(TryLater(kTooManyWaiting));
}

void Connection::Run(bool in_time, Clock::time_point now) {
  if (stage_ == Stage::kClosed) return;
  if (!in_time) return Answer(TryLater(kTooBusy));
  answered_.handling_start = now;
  Answer(RunRoute(*route_, request_, server_->context));
  loop_->queue.Learn(EndpointOf(*route_), request_.body.size(), answered_.bytes,
                     answered_.answer_start - answered_.handling_start);
}

void Connection::Answer(HttpResponse response) {
  stage_ = Stage::kWriting;
  answered_.method = request_.method;
  answered_.path = request_.path();
  answered_.status = response.status;
  answered_.request_bytes = request_.body.size();
  answered_.bytes = response.body.size();
  answered_.endpoint.reset();
  if (route_ != nullptr) answered_.endpoint = EndpointOf(*route_);
  answered_.steps = response.steps;
  answered_.shape = response.shape;
  answered_.answer_start = Clock::now();
  RecordAnswer(answered_, server_->options, &server_->metrics);
  const bool go_on = keep_alive_ && !response.close && !server_->stopping;
  head_.clear();
  AppendHead(response, go_on, &head_);
  body_ = request_.method == "HEAD" ? std::string() : std::move(response.body);
  held_.Set(request_.body.size() + body_.size());
  large_.Begin(this, body_.size());
  SetDeadline(answered_.answer_start +
              (server_->stopping ? server_->options.stop_time_max : server_->options.idle_time_max));
  // Written after the requests that are waiting already have been handled: a client that sleeps until its
  // answer comes is woken once for all of them. With nothing waiting it is written at once.
  asio::post(stream_.executor(),
             [self = shared_from_this(), go_on, drain = response.close] { self->Write(go_on, drain); });
}

void Connection::Write(bool go_on, bool drain) {
  if (stage_ != Stage::kWriting) return;  // closed by the clock meanwhile
  const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head_), asio::buffer(body_)};
  stream_.AsyncWrite(buffers, [self = shared_from_this(), go_on, drain](error_code error, size_t) {
    if (self->stage_ == Stage::kWriting) self->WroteAnswer(go_on, drain, !!error);
  });
}

void Connection::WroteAnswer(bool go_on, bool drain, bool failed) {
  large_.End();
  const auto now = Clock::now();
  RecordWritten(answered_, server_->options, now);
  begun_ = false;
  route_ = nullptr;
  Empty(&body_);
  Empty(&request_.body);
  held_.Set(0);
  if (failed) return Close();
  if (go_on) return Parse(now);
  return drain ? Drain() : Close();
}

void Connection::GiveUpAnswer() {
  stream_.Reset();
  Close();
}

// Closing while bytes of the client are unread would reset the connection, and the answer with it.
void Connection::Drain() {
  if (stage_ != Stage::kDraining) {
    stage_ = Stage::kDraining;
    stream_.EndWriting();
    SetDeadline(Clock::now() +
                (server_->stopping ? std::min(kDrainTime, server_->options.stop_time_max) : kDrainTime));
  }
  auto self = shared_from_this();
  stream_.AsyncRead(asio::buffer(buffer_), [self](error_code error, size_t) {
    if (self->stage_ != Stage::kDraining) return;
    return error ? self->Close() : self->Drain();
  });
}

void Connection::Close() {
  if (stage_ == Stage::kClosed) return;
  stage_ = Stage::kClosed;
  large_.End();
  held_.Set(0);
  timer_.cancel();
  stream_.Close();
}

void Connection::SetDeadline(Clock::time_point deadline) {
  deadline_ = deadline;
  // The wait that is under way looks at deadline_ when it ends; only an earlier end needs another.
  if (deadline < watched_until_) Watch();
}

void Connection::Watch() {
  watched_until_ = deadline_;
  timer_.expires_at(deadline_);
  auto self = shared_from_this();
  timer_.async_wait([self](error_code error) {
    if (error || self->stage_ == Stage::kClosed) return;
    if (Clock::now() < self->deadline_) return self->Watch();
    self->OnTimeout();
  });
}

void Connection::OnTimeout() {
  watched_until_ = Clock::time_point::max();
  if (stage_ == Stage::kWriting) return GiveUpAnswer();  // nobody takes it
  if (stage_ != Stage::kReading || !begun_) return Close();
  stage_ = Stage::kWriting;
  stream_.Cancel();  // the read; the answer is written below
  Answer(Refusal(408, "the request was not complete in time."));
}

}  // namespace salver
