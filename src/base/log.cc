#include "salver/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/nearest.h"

namespace salver {
namespace {

constexpr const char* kLevelNames[] = {"debug", "info", "warn", "error", "off"};
constexpr const char* kRoomNames[kLogRoomCount] = {"engine",   "groups",    "materialize", "online",
                                                   "registry", "retrieval", "server"};
static_assert(static_cast<int>(LogRoom::kServer) == kLogRoomCount - 1);

std::atomic<bool> write_json{true};

using LoggerPtr = std::shared_ptr<spdlog::logger>;

LoggerPtr Prepared(LoggerPtr logger) {
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);  // levels are judged by room, before anything is built
  return logger;
}

spdlog::sink_ptr Stderr() {
  return std::make_shared<spdlog::sinks::stderr_sink_mt>();
}

// Where lines go. Never destroyed: threads may log while the process ends.
struct Output {
  std::mutex mutex;  // guards the next one; held to copy it
  LoggerPtr logger;
};

Output& TheOutput() {
  static auto* const output = [] {
    auto* made = new Output;
    made->logger = Prepared(std::make_shared<spdlog::logger>("salver", Stderr()));
    made->logger->flush_on(spdlog::level::trace);
    return made;
  }();
  return *output;
}

LoggerPtr Logger() {
  Output& output = TheOutput();
  std::lock_guard lock(output.mutex);
  return output.logger;
}

Status Unknown(std::string_view what, std::string_view name, const std::vector<std::string>& known) {
  return Status::InvalidArgument(
      std::string(what) + " \"" + std::string(name) + "\" is not known." + NearestNameHint(name, known),
      Reason::kBadConfig);
}

int64_t MonotonicMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool IsSecret(std::string_view name) {
  for (const char* word : {"password", "secret", "token", "api_key", "credential"}) {
    if (name.find(word) != std::string_view::npos) return true;
  }
  return false;
}

// Without the "user:password@" of every address in it.
std::string WithoutCredentials(std::string_view value) {
  std::string text;
  size_t at = 0;
  for (size_t scheme; (scheme = value.find("://", at)) != std::string_view::npos;) {
    const size_t host = scheme + 3;
    const size_t end = std::min(value.find_first_of("/ \t\r\n\"'", host), value.size());
    const size_t user = value.substr(0, end).rfind('@');
    text += value.substr(at, host - at);
    at = host;
    if (user == std::string_view::npos || user < host) continue;
    text += "***";
    at = user;
  }
  return text.append(value.substr(at));
}

void AppendName(std::string_view name, std::string* out) {
  if (!write_json.load(std::memory_order_relaxed)) {
    out->append(" ").append(name).append("=");
    return;
  }
  *out += ", ";
  AppendJsonString(name, out);
  *out += ": ";
}

void AppendText(std::string_view name, std::string_view value, std::string* out) {
  AppendName(name, out);
  const std::string clean = IsSecret(name) ? "***" : WithoutCredentials(value);
  const bool bare = !write_json.load(std::memory_order_relaxed) && !clean.empty() &&
                    clean.find_first_of(" =\"\t\r\n") == std::string::npos;
  if (bare) {
    *out += clean;
  } else {
    AppendJsonString(clean, out);
  }
}

}  // namespace

namespace internal {
constinit std::atomic<int> log_levels[kLogRoomCount] = {
    static_cast<int>(LogLevel::kWarn), static_cast<int>(LogLevel::kWarn), static_cast<int>(LogLevel::kWarn),
    static_cast<int>(LogLevel::kWarn), static_cast<int>(LogLevel::kWarn), static_cast<int>(LogLevel::kWarn),
    static_cast<int>(LogLevel::kWarn)};
}  // namespace internal

Result<LogLevel> LogLevelNamed(std::string_view name) {
  const auto* found = std::find(std::begin(kLevelNames), std::end(kLevelNames), name);
  if (found != std::end(kLevelNames)) return static_cast<LogLevel>(found - std::begin(kLevelNames));
  return Unknown("log level", name, {std::begin(kLevelNames), std::end(kLevelNames)});
}

Status CheckLogRoom(std::string_view name) {
  if (std::find(std::begin(kRoomNames), std::end(kRoomNames), name) != std::end(kRoomNames))
    return Status::OK();
  return Unknown("log room", name, {std::begin(kRoomNames), std::end(kRoomNames)});
}

Status LogConfig::Add(std::string_view entries) {
  while (!entries.empty()) {
    const size_t comma = std::min(entries.find(','), entries.size());
    const std::string_view entry = entries.substr(0, comma);
    entries.remove_prefix(std::min(comma + 1, entries.size()));
    const size_t equals = entry.find('=');
    if (entry.substr(0, equals) == "format" && equals != std::string_view::npos) {
      const std::string_view format = entry.substr(equals + 1);
      if (format != "json" && format != "text") return Unknown("log format", format, {"json", "text"});
      json = format == "json";
      continue;
    }
    SALVER_ASSIGN(const LogLevel named,
                  LogLevelNamed(equals == std::string_view::npos ? entry : entry.substr(equals + 1)));
    if (equals == std::string_view::npos) {
      level = named;
      rooms.clear();
      continue;
    }
    SALVER_RETURN_NOT_OK(CheckLogRoom(entry.substr(0, equals)));
    rooms[std::string(entry.substr(0, equals))] = named;
  }
  return Status::OK();
}

Status ConfigureLog(LogConfig config) {
  if (const char* text = std::getenv("SALVER_LOG"); text != nullptr) {
    if (const Status added = config.Add(text); !added.ok())
      return Status::InvalidArgument("SALVER_LOG=\"" + std::string(text) + "\": " + added.message(),
                                     Reason::kBadConfig);
  }
  write_json = config.json;
  for (int i = 0; i < kLogRoomCount; ++i) {
    const auto own = config.rooms.find(kRoomNames[i]);
    internal::log_levels[i] = static_cast<int>(own == config.rooms.end() ? config.level : own->second);
  }
  return Status::OK();
}

struct BackgroundLog::Writer {
  std::shared_ptr<spdlog::details::thread_pool> thread;  // with the queue
  LoggerPtr before;
};

BackgroundLog::BackgroundLog(size_t lines_max) {
  static constexpr const char* kName = "salver_background";
  Output& output = TheOutput();
  std::lock_guard lock(output.mutex);
  if (output.logger->name() == kName) return;
  writer_ = std::make_unique<Writer>();
  writer_->thread = std::make_shared<spdlog::details::thread_pool>(lines_max, 1);
  writer_->before = std::exchange(
      output.logger, Prepared(std::make_shared<spdlog::async_logger>(
                         kName, Stderr(), writer_->thread, spdlog::async_overflow_policy::overrun_oldest)));
}

BackgroundLog::~BackgroundLog() {
  if (writer_ == nullptr) return;
  Output& output = TheOutput();
  std::unique_lock lock(output.mutex);
  std::swap(output.logger, writer_->before);
  lock.unlock();
  writer_->thread.reset();  // writes what waits, and ends
}

size_t BackgroundLog::lines_lost() const {
  return writer_ == nullptr ? 0 : writer_->thread->overrun_counter();
}

void LogLine::Start() {
  started_us_ = MonotonicMicros();
}

void LogLine::AddText(std::string_view name, std::string_view value) {
  AppendText(name, value, &fields_);
}

void LogLine::AddNumber(std::string_view name, int64_t value) {
  AppendName(name, &fields_);
  fields_ += std::to_string(value);
}

void LogLine::Write(const Status& status) {
  const char* level = kLevelNames[static_cast<int>(status.ok() ? level_ : std::max(level_, LogLevel::kWarn))];
  const char* room = kRoomNames[static_cast<int>(room_)];
  const std::string time = FormatTime(Clock::System()->NowMicros());
  std::string line;
  if (write_json.load(std::memory_order_relaxed)) {
    line = "{\"time\": \"" + time + "\", \"level\": \"" + level + "\", \"room\": \"" + room +
           "\", \"operation\": ";
    AppendJsonString(operation_, &line);
  } else {
    line = time + " " + level + " " + room + " " + std::string(operation_);
  }
  line += fields_;
  if (on_) {
    AppendName("duration_us", &line);
    line += std::to_string(MonotonicMicros() - started_us_);
  }
  if (!status.ok()) {
    AppendText("code", StatusCodeName(status.code()), &line);
    AppendText("error", status.message(), &line);
  }
  if (write_json.load(std::memory_order_relaxed)) line += "}";
  Logger()->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace salver
