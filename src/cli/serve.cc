// serve and listen: the feature server, until SIGTERM or SIGINT. Each port takes HTTP and gRPC.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>

#include "base/memory.h"
#include "cli/command.h"
#include "server/http_server.h"

namespace salver::cli {
namespace {

// Waits for SIGTERM or SIGINT on a thread of its own, so that no work is done inside a signal handler.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);  // before any other thread starts: they inherit it
  }
  int Wait() {
    int signal = 0;
    sigwait(&signals_, &signal);
    return signal;
  }

 private:
  sigset_t signals_;
};

// What `feast serve` has besides, so that its command lines work.
struct FeastOptions {
  int keep_alive_s = 0, worker_connections = 0;  // 0: the server's own
  int metrics_port = 8000;
  bool metrics = false;
  int ignored_number = 0;
};

// Limits and logs, with their units in their names.
struct OperatingOptions {
  int64_t in_flight_mb = 256, queue_time_ms = 500, slow_request_ms = 1000;
  bool no_access_log = false;

  void Set(HttpServerOptions* options) const {
    options->access_log = !no_access_log;
    options->slow_request_min = std::chrono::milliseconds(slow_request_ms);
    options->bytes_in_flight_max = in_flight_mb << 20;
    options->queue_time_max = std::chrono::milliseconds(queue_time_ms);
  }
};

std::shared_ptr<OperatingOptions> AddOperatingOptions(CLI::App* verb) {
  auto options = std::make_shared<OperatingOptions>();
  verb->add_flag("--no-access-log", options->no_access_log,
                 "No line a request, whatever the log's level (SALVER_LOG=server=info turns them on)");
  verb->add_option("--slow-request-ms", options->slow_request_ms,
                   "Requests that take longer are logged with the time of each step; 0: none is")
      ->check(CLI::Range(0, 86'400'000));
  verb->add_option("--in-flight-mb", options->in_flight_mb,
                   "Megabytes of requests and answers in memory; 503 beyond")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--queue-time-ms", options->queue_time_ms,
                   "Reads that would wait longer for their turn are answered 503")
      ->check(CLI::Range(1, 86'400'000));
  return options;
}

void AddTlsOptions(CLI::App* verb, HttpServerOptions* options) {
  verb->add_option("-k,--key", options->tls_key_path, "Private key for TLS, a PEM file; with --cert");
  verb->add_option("-c,--cert", options->tls_certificate_path,
                   "Certificate for TLS, a PEM file, with its chain behind it; with --key");
}

Status Run(const Context& context, const HttpServerOptions& options) {
  if (options.tls_key_path.empty() != options.tls_certificate_path.empty()) {
    return Status::InvalidArgument(
        "--key and --cert are needed together: TLS takes a key and its certificate.", Reason::kBadConfig);
  }
  // Large answers come and go all the time: without this, their pages go back to the kernel and are zeroed
  // again (a quarter of the time of a request for 25,000 values).
  KeepFreedMemory(64 << 20);
  StopSignal stop;
  SALVER_ASSIGN(auto store, context.OpenStore(LogLevel::kWarn));
  SALVER_ASSIGN(auto server, HttpServer::Start(store.get(), options));
  std::printf("Serving project %s on %s://%s:%d (Ctrl-C stops)\n", store->project().c_str(),
              options.tls_key_path.empty() ? "http" : "https", options.host.c_str(), server->port());
  if (server->metrics_port() >= 0)
    std::printf("Metrics on http://%s:%d/metrics\n", options.host.c_str(), server->metrics_port());
  std::fflush(stdout);
  stop.Wait();
  server->Stop();
  return Status::OK();
}

}  // namespace

void AddServe(CLI::App* app, Context* context) {
  CLI::App* verb =
      AddVerb(app, "serve", "Start the feature server", "salver -c feature_repo serve --port 6566");
  verb->set_help_flag("--help", "Print this help message and exit");  // -h is the host, as in Feast
  auto options = std::make_shared<HttpServerOptions>();
  auto type = std::make_shared<std::string>("http");
  verb->add_option("-h,--host", options->host, "Address to listen on");
  verb->add_option("-p,--port", options->port, "Port; 0 takes a free one and prints it");
  verb->add_option("-t,--type", *type, "http");
  verb->add_option("-w,--workers", options->workers, "Event loops; 0: one a core");
  auto feast = std::make_shared<FeastOptions>();
  verb->add_option("--keep-alive-timeout", feast->keep_alive_s, "Seconds that an idle connection is kept")
      ->check(CLI::Range(1, 86'400));
  verb->add_option("--worker-connections", feast->worker_connections,
                   "Connections that an event loop takes at most")
      ->check(CLI::Range(1, 1'000'000));
  AddTlsOptions(verb, options.get());
  verb->add_flag("-m,--metrics", feast->metrics,
                 "Serve /metrics on a port of its own too (it is always on the server's port)");
  verb->add_option("--metrics-port", feast->metrics_port, "That port; 0 takes a free one and prints it")
      ->check(CLI::Range(0, 65'535));
  const auto operating = AddOperatingOptions(verb);
  for (const char* name : {"--max-requests", "--max-requests-jitter", "-r,--registry_ttl_sec"})
    verb->add_option(name, feast->ignored_number,
                     "As Feast has it. No worker needs restarts; registry changes are seen at once");
  verb->callback([=] {
    context->action = [=] {
      if (*type != "http") {
        return Status::Unimplemented("serve --type \"" + *type +
                                     "\" is not in this release; there is: http.");
      }
      if (feast->keep_alive_s > 0) options->idle_time_max = std::chrono::seconds(feast->keep_alive_s);
      if (feast->worker_connections > 0) {
        const int workers =
            options->workers > 0 ? options->workers : static_cast<int>(std::thread::hardware_concurrency());
        options->connections_max = feast->worker_connections * std::max(1, workers);
      }
      if (feast->metrics) options->metrics_port = feast->metrics_port;
      operating->Set(options.get());
      return Run(*context, *options);
    };
  });
}

// Where Feast's gRPC server listens, and with its flags.
void AddListen(CLI::App* app, Context* context) {
  CLI::App* verb = AddVerb(app, "listen", "Start the feature server where gRPC clients expect it",
                           "salver -c feature_repo listen --address localhost:50051");
  auto address = std::make_shared<std::string>("localhost:50051");
  auto options = std::make_shared<HttpServerOptions>();
  auto ignored = std::make_shared<int>(0);
  verb->add_option("-a,--address", *address, "host:port to listen on; port 0 takes a free one and prints it");
  for (const char* name : {"-w,--max_workers", "-r,--registry_ttl_sec"})
    verb->add_option(name, *ignored,
                     "As Feast has it. There is an event loop a core; registry changes are seen at once");
  AddTlsOptions(verb, options.get());
  const auto operating = AddOperatingOptions(verb);
  verb->callback([=] {
    context->action = [=] {
      const size_t colon = address->rfind(':');
      const char* const begin = address->data() + std::min(address->size(), colon + 1);
      const char* const end = address->data() + address->size();
      if (colon == std::string::npos || std::from_chars(begin, end, options->port).ptr != end ||
          begin == end) {
        return Status::InvalidArgument(
            "--address \"" + *address + "\" is no host:port. Give one, as in localhost:50051.",
            Reason::kBadConfig);
      }
      options->host = address->substr(0, colon);
      if (options->host.starts_with('[') && options->host.ends_with(']'))
        options->host = options->host.substr(1, options->host.size() - 2);
      operating->Set(options.get());
      return Run(*context, *options);
    };
  });
}

}  // namespace salver::cli
