// serve: the HTTP feature server, until SIGTERM or SIGINT.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <thread>

#include "cli/command.h"
#include "server/http/http_server.h"

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

Status Run(const Context& context, const HttpServerOptions& options, const std::string& type) {
  if (type != "http") {
    return Status::Unimplemented("serve --type \"" + type + "\" is not in this release; there is: http.");
  }
  StopSignal stop;
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(auto server, HttpServer::Start(store.get(), options));
  std::printf("Serving project %s on http://%s:%d (Ctrl-C stops)\n", store->project().c_str(), options.host.c_str(),
              server->port());
  std::fflush(stdout);
  stop.Wait();
  server->Stop();
  return Status::OK();
}

}  // namespace

void AddServe(CLI::App* app, Context* context) {
  CLI::App* verb = AddVerb(app, "serve", "Start the feature server", "salver -c feature_repo serve --port 6566");
  verb->set_help_flag("--help", "Print this help message and exit");  // -h is the host, as in Feast
  auto options = std::make_shared<HttpServerOptions>();
  auto type = std::make_shared<std::string>("http");
  verb->add_option("-h,--host", options->host, "Address to listen on");
  verb->add_option("-p,--port", options->port, "Port; 0 takes a free one and prints it");
  verb->add_option("-t,--type", *type, "http");
  verb->add_option("-w,--workers", options->workers, "Event loops; 0: one a core");
  auto no_access_log = std::make_shared<bool>(false);
  verb->add_flag("--no-access-log", *no_access_log, "Accepted, as Feast has it; there is no access log yet");
  verb->callback([=] { context->action = [=, ignored = no_access_log] { return Run(*context, *options, *type); }; });
}

}  // namespace salver::cli
