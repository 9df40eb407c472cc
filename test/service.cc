#include "test/service.h"

#include <fcntl.h>
#include <signal.h>
#include <simdjson.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "test/source_dir.h"

extern char** environ;

namespace salver {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "test service: %s\n", what.c_str());
  std::abort();
}

// A line of the server's answer, without its end; "" when it has ended.
std::string ReadLine(int from) {
  std::string line;
  for (char c; ::read(from, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace

std::unique_ptr<TestService> TestService::Start(const std::string& script, const std::string& argument) {
  ::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<TestService> service(new TestService());
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) Die("no pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string path = std::string(kSourceDir) + "/test/" + script, python = "/usr/bin/python3",
              word = argument;
  char* arguments[] = {python.data(), path.data(), word.empty() ? nullptr : word.data(), nullptr};
  const int error = ::posix_spawn(&service->process_, python.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  service->to_ = in[1];
  service->from_ = out[0];
  service->said_ = ReadLine(service->from_);
  if (error != 0 || service->said_.empty()) Die(script + " did not start (its words are above)");
  return service;
}

TestService::~TestService() {
  // The end of its input is the sign to stop.
  ::close(to_);
  ::waitpid(process_, nullptr, 0);
  ::close(from_);
}

std::string TestService::Text(const char* key) const {
  simdjson::dom::parser parser;
  return std::string(parser.parse(said_)[key].get_string().value());
}

int TestService::Number(const char* key) const {
  simdjson::dom::parser parser;
  return static_cast<int>(parser.parse(said_)[key].get_int64().value());
}

void TestService::Command(const std::string& word) {
  const std::string line = word + "\n";
  if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ReadLine(from_) != "done")
    Die("command \"" + word + "\" was not done");
}

}  // namespace salver
