// Sockets: one event loop a worker, each with its own acceptor on the same port (the kernel spreads connections).
// A connection reads into one buffer, feeds llhttp, and handles one request at a time; bytes of the next one wait in
// the buffer (pipelining). Nothing here knows what a feature is.
#include "server/http/http_server.h"

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <llhttp.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "server/http/route.h"

namespace salver {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

const char* StatusText(int status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
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

// What all connections share. Outlives them.
struct Shared {
  HttpServerOptions options;
  HttpContext context;
  Metrics metrics;
  std::atomic<int> connections{0};
  std::atomic<bool> stopping{false};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Shared* shared) : socket_(std::move(socket)), timer_(socket_.get_executor()), shared_(shared) {
    ++shared_->connections;
    llhttp_settings_init(&settings_);
    settings_.on_message_begin = [](llhttp_t* p) { return Self(p)->OnBegin(); };
    settings_.on_method = [](llhttp_t* p, const char* at, size_t size) { return Self(p)->OnHead(&Self(p)->request_.method, at, size); };
    settings_.on_url = [](llhttp_t* p, const char* at, size_t size) { return Self(p)->OnHead(&Self(p)->request_.target, at, size); };
    settings_.on_header_field = [](llhttp_t* p, const char* at, size_t size) { return Self(p)->OnHead(nullptr, at, size); };
    settings_.on_header_value = settings_.on_header_field;
    settings_.on_headers_complete = [](llhttp_t* p) { return Self(p)->OnHeadersComplete(); };
    settings_.on_body = [](llhttp_t* p, const char* at, size_t size) { return Self(p)->OnBody(at, size); };
    settings_.on_message_complete = [](llhttp_t*) { return int{HPE_PAUSED}; };  // one request at a time
    llhttp_init(&parser_, HTTP_REQUEST, &settings_);
    parser_.data = this;
  }
  ~Connection() { --shared_->connections; }

  void Start() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    Read();
  }

  // Ends the connection, unless it is in the middle of a request: that one is finished first.
  void StopWhenIdle() {
    if (!busy_) Close();
  }

 private:
  static Connection* Self(llhttp_t* parser) { return static_cast<Connection*>(parser->data); }

  int OnBegin() {
    request_ = HttpRequest();
    head_bytes_ = 0;
    busy_ = true;
    return 0;
  }
  int OnHead(std::string* to, const char* at, size_t size) {
    head_bytes_ += size;
    if (head_bytes_ > shared_->options.head_bytes_max) return Refuse(431, "the request's head is too large");
    if (to != nullptr) to->append(at, size);
    return 0;
  }
  int OnHeadersComplete() {
    if (parser_.content_length != UINT64_MAX && parser_.content_length > shared_->options.body_bytes_max) {
      return Refuse(413, "the request's body is too large");
    }
    return 0;
  }
  int OnBody(const char* at, size_t size) {
    if (request_.body.size() + size > shared_->options.body_bytes_max) return Refuse(413, "the request's body is too large");
    request_.body.append(at, size);
    return 0;
  }
  int Refuse(int status, const char* reason) {
    refusal_ = {.status = status, .body = std::string("{\"detail\":\"") + reason + "\"}", .close = true};
    return HPE_USER;
  }

  void Read() {
    auto self = shared_from_this();
    timer_.expires_after(shared_->options.idle_time_max);
    timer_.async_wait([self](error_code error) {
      if (!error) self->Close();  // idle, or a request that never ends
    });
    socket_.async_read_some(asio::buffer(buffer_), [self](error_code error, size_t size) {
      self->timer_.cancel();
      if (error) return self->Close();
      self->pending_ = std::string_view(self->buffer_.data(), size);
      self->Parse();
    });
  }

  // Feeds what was read; handles the first whole request in it, or reads on.
  void Parse() {
    if (pending_.empty()) return shared_->stopping && !busy_ ? Close() : Read();
    const llhttp_errno_t error = llhttp_execute(&parser_, pending_.data(), pending_.size());
    if (error == HPE_OK) {
      pending_ = {};
      return Read();
    }
    if (error == HPE_PAUSED) {
      pending_.remove_prefix(static_cast<size_t>(llhttp_get_error_pos(&parser_) - pending_.data()));
      return Handle();
    }
    if (refusal_.status == 200) {
      refusal_ = {.status = 400, .body = "{\"detail\":\"the request is not HTTP/1.1\"}", .close = true};
    }
    refusal_.close = true;
    Answer(std::move(refusal_));
  }

  void Handle() {
    keep_alive_ = llhttp_should_keep_alive(&parser_) != 0;
    llhttp_resume(&parser_);
    started_ = std::chrono::steady_clock::now();
    HttpResponse response;
    route_ = FindRoute(request_, &response);
    if (route_ == nullptr) return Answer(std::move(response));
    if (!route_->slow) return Answer(route_->handle(request_, shared_->context));
    auto self = shared_from_this();
    const bool queued = shared_->context.run_later([self] {
      auto answer = std::make_shared<HttpResponse>(self->route_->handle(self->request_, self->shared_->context));
      asio::post(self->socket_.get_executor(), [self, answer] { self->Answer(std::move(*answer)); });
    });
    if (!queued) Answer({.status = 503, .body = "\"too many requests of this kind are waiting. Try again later.\"", .retry_after = true});
  }

  void Answer(HttpResponse response) {
    if (route_ != nullptr) {
      shared_->metrics.CountRequest(static_cast<size_t>(route_ - HttpRoutes().data()), response.status,
                                    std::chrono::steady_clock::now() - started_);
    }
    const bool go_on = keep_alive_ && !response.close && !shared_->stopping;
    head_.clear();
    AppendHead(response, go_on, &head_);
    body_ = std::move(response.body);
    auto self = shared_from_this();
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head_), asio::buffer(body_)};
    timer_.expires_after(shared_->options.idle_time_max);
    timer_.async_wait([self](error_code error) {
      if (!error) self->Close();  // a client that does not read its answer
    });
    asio::async_write(socket_, buffers, [self, go_on](error_code error, size_t) {
      self->timer_.cancel();
      self->busy_ = false;
      self->route_ = nullptr;
      if (error || !go_on) return self->Close();
      self->Parse();
    });
  }

  void Close() {
    error_code ignored;
    timer_.cancel();
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    socket_.close(ignored);
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  Shared* const shared_;
  llhttp_t parser_;
  llhttp_settings_t settings_;
  std::array<char, 16 * 1024> buffer_;
  std::string_view pending_;      // of buffer_, not yet parsed
  HttpRequest request_;
  HttpResponse refusal_;
  const HttpRoute* route_ = nullptr;
  size_t head_bytes_ = 0;
  bool busy_ = false, keep_alive_ = true;
  std::chrono::steady_clock::time_point started_;
  std::string head_, body_;
};

// One event loop on its own thread.
class Worker {
 public:
  Worker(Shared* shared) : shared_(shared), acceptor_(loop_) {}

  // `port` 0 takes a free one; returns the port.
  Result<int> Listen(const std::string& host, int port) {
    error_code error;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error) return Status::InvalidArgument("host \"" + host + "\" is no IP address.", Reason::kBadConfig);
    const tcp::endpoint endpoint(address, static_cast<unsigned short>(port));
    using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    if (!acceptor_.open(endpoint.protocol(), error) && !acceptor_.set_option(tcp::acceptor::reuse_address(true), error) &&
        !acceptor_.set_option(ReusePort(true), error) && !acceptor_.bind(endpoint, error) && !acceptor_.listen(4096, error)) {
      return static_cast<int>(acceptor_.local_endpoint().port());
    }
    return Status::Unavailable("can not listen on " + host + ":" + std::to_string(port) + ": " + error.message() + ". Choose another --port.");
  }

  void Run() {
    Accept();
    thread_ = std::thread([this] { loop_.run(); });
  }

  void Stop() {
    asio::post(loop_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      for (const auto& weak : connections_) {
        if (const auto connection = weak.lock()) connection->StopWhenIdle();
      }
    });
  }
  // After every connection has ended the loop has nothing to do, and run() returns.
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (!error && shared_->connections < shared_->options.connections_max) {
        auto connection = std::make_shared<Connection>(std::move(socket), shared_);
        Remember(connection);
        connection->Start();
      }
      Accept();
    });
  }

  void Remember(const std::shared_ptr<Connection>& connection) {
    if (connections_.size() >= 2 * live_at_sweep_ + 64) {
      std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
      live_at_sweep_ = connections_.size();
    }
    connections_.push_back(connection);
  }

  Shared* const shared_;
  asio::io_context loop_{1};
  tcp::acceptor acceptor_;
  std::vector<std::weak_ptr<Connection>> connections_;
  size_t live_at_sweep_ = 0;
  std::thread thread_;
};

class AsioHttpServer final : public HttpServer {
 public:
  AsioHttpServer(FeatureStore* store, const HttpServerOptions& options) {
    shared_.options = options;
    shared_.context = {store, &shared_.options, &shared_.metrics, [this](std::function<void()> work) { return RunLater(std::move(work)); }};
  }
  ~AsioHttpServer() override { Stop(); }

  Status Listen() {
    int count = shared_.options.workers;
    if (count <= 0) count = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    port_ = shared_.options.port;
    for (int i = 0; i < count; ++i) {
      workers_.push_back(std::make_unique<Worker>(&shared_));
      SALVER_ASSIGN(port_, workers_.back()->Listen(shared_.options.host, port_));
    }
    for (const auto& worker : workers_) worker->Run();
    return Status::OK();
  }

  int port() const override { return port_; }

  void Stop() override {
    if (shared_.stopping.exchange(true)) return;
    for (const auto& worker : workers_) worker->Stop();
    slow_pool_.join();  // what has begun is finished; its answers go out on the loops
    for (const auto& worker : workers_) worker->Join();
  }

 private:
  bool RunLater(std::function<void()> work) {
    if (slow_requests_.fetch_add(1) >= shared_.options.slow_requests_max) {
      --slow_requests_;
      return false;
    }
    asio::post(slow_pool_, [this, work = std::move(work)] {
      work();
      --slow_requests_;
    });
    return true;
  }

  Shared shared_;
  std::atomic<int> slow_requests_{0};
  asio::thread_pool slow_pool_{2};
  std::vector<std::unique_ptr<Worker>> workers_;
  int port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(FeatureStore* store, const HttpServerOptions& options) {
  auto server = std::make_unique<AsioHttpServer>(store, options);
  SALVER_RETURN_NOT_OK(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace salver
