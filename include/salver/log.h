// Log lines of operations: what was done, to what, with how many rows, in what time. One line an operation,
// on stderr, as JSON or as text. Every room has a level of its own; a line below it costs one load.
//
//   feature_store.yaml   logging: {format: json, level: warn, rooms: {groups: debug}}
//   environment          SALVER_LOG=groups=debug,engine=warn   (a level without a room is for all rooms;
//   wins)
//
// Values are names, counts and times, never rows and never credentials: "user:password@" of an address is
// written as "***@", and a field that is called a password, a secret, a token or a key of an API has its
// value left out.
//
// Thread safety: everything from any thread; a line is written whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "salver/status.h"

namespace salver {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };
enum class LogRoom { kEngine, kGroups, kMaterialize, kOnline, kRegistry, kRetrieval, kServer };
inline constexpr int kLogRoomCount = 7;

struct LogConfig {
  bool json = true;
  LogLevel level = LogLevel::kWarn;
  std::map<std::string, LogLevel, std::less<>> rooms;  // differing from `level`

  // `text` as in SALVER_LOG, on top of what is set. Errors: InvalidArgument (kBadConfig) with the nearest
  // name.
  Status Add(std::string_view text);
};
// "debug", "info", "warn", "error", "off". Errors: InvalidArgument (kBadConfig) with the nearest name.
Result<LogLevel> LogLevelNamed(std::string_view name);
// Errors: InvalidArgument (kBadConfig) with the nearest name.
Status CheckLogRoom(std::string_view name);

// Holds for the process. SALVER_LOG of the environment is added to `config`; its error is returned, and what
// held before goes on.
Status ConfigureLog(LogConfig config);

namespace internal {
extern std::atomic<int> log_levels[kLogRoomCount];
}
inline bool LogEnabled(LogRoom room, LogLevel level) {
  return static_cast<int>(level) >=
         internal::log_levels[static_cast<int>(room)].load(std::memory_order_relaxed);
}

// The line of one operation: made when it starts, written by End. Fields are kept only while the line's level
// is on.
class LogLine {
 public:
  // `operation` outlives the line.
  LogLine(LogRoom room, std::string_view operation, LogLevel level = LogLevel::kInfo)
      : room_(room), level_(level), on_(LogEnabled(room, level)), operation_(operation) {
    if (on_) Start();
  }
  void Add(std::string_view name, std::string_view value) {
    if (on_) AddText(name, value);
  }
  void Add(std::string_view name, int64_t value) {
    if (on_) AddNumber(name, value);
  }
  // Writes the line with its duration: at the line's level when `status` is OK, else as a warning that says
  // what went wrong (without the fields, if the line's own level is off).
  void End(const Status& status = Status::OK()) {
    if (on_ || (!status.ok() && LogEnabled(room_, LogLevel::kWarn))) Write(status);
  }

 private:
  void Start();
  void AddText(std::string_view name, std::string_view value);
  void AddNumber(std::string_view name, int64_t value);
  void Write(const Status& status);

  const LogRoom room_;
  const LogLevel level_;
  const bool on_;
  const std::string_view operation_;
  int64_t started_us_ = 0;
  std::string fields_;
};

// While it lives, lines of the whole process are written by a thread of its own: whoever logs hands a line
// over and never waits for stderr. When more lines wait than `lines_max`, the oldest are left out. One at a
// time; a second one made meanwhile changes nothing. Its end writes what waits.
class BackgroundLog {
 public:
  explicit BackgroundLog(size_t lines_max);
  ~BackgroundLog();
  BackgroundLog(const BackgroundLog&) = delete;
  BackgroundLog& operator=(const BackgroundLog&) = delete;

  // How many were left out.
  size_t lines_lost() const;

 private:
  struct Writer;
  std::unique_ptr<Writer> writer_;  // null: another one was there before
};

inline const Status& OutcomeOf(const Status& status) {
  return status;
}
template <typename T>
Status OutcomeOf(const Result<T>& result) {
  return result.status();
}

// Calls work(LogLine*), a whole operation, which adds what it knows; its line ends with what it returns, a
// Status or a Result.
template <typename Work>
auto Logged(LogRoom room, std::string_view operation, const Work& work) {
  LogLine line(room, operation);
  auto outcome = work(&line);
  line.End(OutcomeOf(outcome));
  return outcome;
}

}  // namespace salver
