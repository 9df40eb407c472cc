#include "store/python_definitions.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

extern char** environ;

namespace salver {
namespace {

std::string PythonExecutable() {
  if (const char* python = std::getenv("SALVER_PYTHON"); python != nullptr && *python != '\0') return python;
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment != nullptr && *environment != '\0') {
    return std::string(environment) + "/bin/python3";
  }
  return "python3";
}

}  // namespace

bool HasPythonDefinitions(const std::string& repository) {
  std::error_code error;
  auto entry = std::filesystem::recursive_directory_iterator(repository, error);
  for (; entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (entry->is_directory() && (name.starts_with('.') || name == "__pycache__")) entry.disable_recursion_pending();
    if (entry->is_regular_file() && name.ends_with(".py") && name != "__init__.py") return true;
  }
  return false;
}

Result<std::string> EvaluatePythonDefinitions(const std::string& repository, const std::string& project) {
  const std::string python = PythonExecutable();
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return Status::Unavailable(std::string("can not make a pipe: ") + std::strerror(errno) + ".");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const char* arguments[] = {python.c_str(), "-m", "salver.definitions", repository.c_str(), "--project", project.c_str(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, python.c_str(), &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  if (failed != 0) {
    ::close(out[0]);
    return Status::FailedPrecondition("the repository has definitions in Python, and \"" + python + "\" can not be started: " +
                                          std::strerror(failed) + ". Install Python, or name one in SALVER_PYTHON.",
                                      Reason::kBadConfig);
  }
  std::string json;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(out[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    json.append(buffer, static_cast<size_t>(got));
  }
  ::close(out[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Status::FailedPrecondition("\"" + python + " -m salver.definitions\" failed (its own message is above). The Python package "
                                          "\"salver\" must be installed there: run `pip install .` in Salver's folder, or name another "
                                          "Python in SALVER_PYTHON.",
                                      Reason::kBadConfig);
  }
  return json;
}

}  // namespace salver
