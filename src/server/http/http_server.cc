// One event loop a worker; one listener that deals connections to them.
#include "server/http_server.h"

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <thread>

#include "salver/log.h"
#include "server/http/connection.h"
#include "server/http/loop_fibers.h"
#include "server/http/work_pool.h"

namespace salver {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kWriteThreads = 2, kJobThreads = 2;
constexpr size_t kLogLinesMax = 8192;  // that wait for stderr
// Requests that may wait for an online store which is a server: each has a connection to it.
constexpr int kAtOnceMax = 64, kAtOncePerLoopMin = 4;

// One event loop on its own thread, and the connections it serves.
class Worker {
 public:
  Worker(ServerState* server, LoopQueue::Limits limits, bool metrics_only)
      : server_(server),
        state_{server,
               metrics_only,
               LoopQueue(
                   limits, [this] { asio::post(loop_, [this] { state_.queue.RunTurn(); }); },
                   [this](const std::function<void()>& work) { fibers_.Run(work); }),
               {}},
        work_(loop_.get_executor()),
        fibers_(&loop_) {}

  asio::io_context& loop() { return loop_; }
  const LoopQueue& queue() const { return state_.queue; }
  void Run() {
    thread_ = std::thread([this] {
      const ScopedSocketWaiter waiter(&fibers_);
      loop_.run();
      fibers_.End();
    });
  }

  // From any thread.
  void Begin(tcp::socket socket, bool refuse) {
    const TlsContext* const tls = state_.metrics_only ? nullptr : server_->tls.get();
    auto connection = std::make_shared<Connection>(ByteStream(std::move(socket), tls), &state_);
    asio::post(loop_, [this, connection = std::move(connection), refuse] {
      state_.sessions.Add(connection);
      refuse ? connection->StartRefused() : connection->Start();
      if (server_->stopping) connection->Stop();
    });
  }
  void Stop() {
    asio::post(loop_, [this] {
      work_.reset();  // after the last connection has ended the loop has nothing to do, and run() returns
      state_.sessions.Stop();
      fibers_.Stop();
    });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  ServerState* const server_;
  LoopState state_;  // outlives the loop and with it the connections
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  LoopFibers fibers_;
  std::thread thread_;
};

// Listens on the first worker's loop and deals connections to all workers in turn.
class Listener {
 public:
  Listener(ServerState* server, const std::vector<std::unique_ptr<Worker>>& workers)
      : server_(server), workers_(workers), acceptor_(workers[0]->loop()), pause_(workers[0]->loop()) {}

  Result<int> Listen(const std::string& host, int port) {
    error_code error;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error) return Status::InvalidArgument("host \"" + host + "\" is no IP address.", Reason::kBadConfig);
    if (port < 0 || port > 65535)
      return Status::InvalidArgument("port " + std::to_string(port) + " is not in 0..65535.",
                                     Reason::kBadConfig);
    const tcp::endpoint endpoint(address, static_cast<unsigned short>(port));
    if (!acceptor_.open(endpoint.protocol(), error) &&
        !acceptor_.set_option(tcp::acceptor::reuse_address(true), error) &&
        !acceptor_.bind(endpoint, error) && !acceptor_.listen(kBacklog, error)) {
      return static_cast<int>(acceptor_.local_endpoint().port());
    }
    return Status::Unavailable("can not listen on " + host + ":" + std::to_string(port) + ": " +
                               error.message() + ". Choose another --port.");
  }

  void Accept() {
    acceptor_.async_accept(NextWorker().loop(), [this](error_code error, tcp::socket socket) {
      if (!error) Deal(std::move(socket));  // accepted before the acceptor was closed, too
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (!error) return Accept();
      // Out of file descriptors, most likely: asking again at once would only burn the core.
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](error_code stopped) {
        if (!stopped) Accept();
      });
    });
  }

  // Deals what the kernel has accepted already, since closing would reset it, and closes. Then calls `done`.
  void Stop(std::function<void()> done) {
    asio::post(acceptor_.get_executor(), [this, done = std::move(done)] {
      error_code error;
      acceptor_.cancel(error);
      acceptor_.non_blocking(true, error);
      while (!error) {
        tcp::socket socket(NextWorker().loop());
        acceptor_.accept(socket, error);
        if (!error) Deal(std::move(socket));
      }
      acceptor_.close(error);
      pause_.cancel();
      asio::post(acceptor_.get_executor(),
                 done);  // after the connection that may have been accepted just before
    });
  }

 private:
  static constexpr int kBacklog = 4096;
  // Connections over the limit that are being told so; beyond, they are closed without a word.
  static constexpr int kRefusedAtOnceMax = 64;
  static constexpr std::chrono::milliseconds kAcceptPause{100};

  Worker& NextWorker() { return *workers_[next_ % workers_.size()]; }

  void Deal(tcp::socket socket) {
    Worker& worker = NextWorker();
    ++next_;
    const int others = server_->connections;
    const int most = server_->options.connections_max;
    if (others >= most) ++server_->refused_connections;
    if (others < most + kRefusedAtOnceMax) worker.Begin(std::move(socket), others >= most);
  }

  ServerState* const server_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  size_t next_ = 0;
};

class AsioHttpServer final : public HttpServer {
 public:
  AsioHttpServer(FeatureStore* store, const HttpServerOptions& options)
      : searches_(std::max(1u, std::thread::hardware_concurrency()), options.pool_requests_max),
        writes_(kWriteThreads, options.pool_requests_max),
        jobs_(kJobThreads, options.pool_requests_max) {
    server_.options = options;
    server_.context = {
        store,
        &server_.options,
        &server_.metrics,
        &server_.materializing,
        [this](HttpTurn turn, std::function<void()> work) { return PoolOf(turn).Run(std::move(work)); },
        [this] { return Load(); }};
    int count = options.workers;
    if (count <= 0) count = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    const LoopQueue::Limits limits{.bytes_max = options.bytes_in_flight_max / count,
                                   .wait_max = options.queue_time_max,
                                   .at_once_max = std::max(kAtOncePerLoopMin, kAtOnceMax / count)};
    for (int i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>(&server_, limits, false));
    listener_ = std::make_unique<Listener>(&server_, workers_);
    if (options.metrics_port < 0) return;
    metrics_workers_.push_back(std::make_unique<Worker>(&server_, limits, true));
    metrics_listener_ = std::make_unique<Listener>(&server_, metrics_workers_);
  }
  ~AsioHttpServer() override { Stop(); }

  Status Listen() {
    if (!server_.options.tls_certificate_path.empty()) {
      SALVER_ASSIGN(server_.tls,
                    TlsContext::Make(server_.options.tls_certificate_path, server_.options.tls_key_path));
    }
    SALVER_ASSIGN(port_, listener_->Listen(server_.options.host, server_.options.port));
    if (metrics_listener_ != nullptr) {
      SALVER_ASSIGN(metrics_port_,
                    metrics_listener_->Listen(server_.options.host, server_.options.metrics_port));
      metrics_listener_->Accept();
      metrics_workers_[0]->Run();
    }
    listener_->Accept();
    for (const auto& worker : workers_) worker->Run();
    return Status::OK();
  }

  int port() const override { return port_; }
  int metrics_port() const override { return metrics_port_; }

  void Stop() override {
    if (server_.stopping.exchange(true)) return;
    const auto stop = [](Listener* listener, const std::vector<std::unique_ptr<Worker>>& workers) {
      listener->Stop([&workers] {
        for (const auto& worker : workers) worker->Stop();
      });
    };
    if (port_ != 0) stop(listener_.get(), workers_);
    if (metrics_port_ >= 0) stop(metrics_listener_.get(), metrics_workers_);
    // First the loops, whose connections wait for what the pools run; then what no connection waits for.
    for (const auto* workers : {&workers_, &metrics_workers_}) {
      for (const auto& worker : *workers) worker->Join();
    }
    for (WorkPool* pool : {&searches_, &writes_, &jobs_}) pool->Join();
    log_.reset();
  }

 private:
  WorkPool& PoolOf(HttpTurn turn) {
    return turn == HttpTurn::kSearch ? searches_ : turn == HttpTurn::kWrite ? writes_ : jobs_;
  }

  ServerLoad Load() const {
    ServerLoad load{.connections = server_.connections,
                    .searches_queued = searches_.count(),
                    .writes_queued = writes_.count(),
                    .jobs_queued = jobs_.count(),
                    .bytes_in_flight_max = server_.options.bytes_in_flight_max,
                    .refused_connections = server_.refused_connections,
                    .refused_searches = searches_.refused(),
                    .refused_writes = writes_.refused(),
                    .refused_jobs = jobs_.refused()};
    for (const auto& worker : workers_) worker->queue().AddTo(&load);
    return load;
  }

  std::unique_ptr<BackgroundLog> log_ = std::make_unique<BackgroundLog>(kLogLinesMax);
  ServerState server_;
  WorkPool searches_, writes_, jobs_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Worker>> metrics_workers_;  // one, or none
  std::unique_ptr<Listener> metrics_listener_;
  int port_ = 0, metrics_port_ = -1;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(FeatureStore* store, const HttpServerOptions& options) {
  auto server = std::make_unique<AsioHttpServer>(store, options);
  SALVER_RETURN_NOT_OK(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace salver
