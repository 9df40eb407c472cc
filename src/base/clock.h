// Wall-clock time as UTC microseconds since 1970, and its text. Everything that asks "now" asks a Clock, so a
// test can say what time it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "salver/status.h"

namespace salver {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;

// As many as microseconds can say, with some to spare for a fraction.
inline constexpr int64_t kMostSeconds = INT64_MAX / kMicrosPerSecond - 3;
// Times further away than that, 292,000 years from 1970, are kept at the edge rather than wrapped.
inline constexpr int64_t SecondsToMicros(int64_t seconds) {
  const int64_t kept = seconds > kMostSeconds    ? kMostSeconds
                       : seconds < -kMostSeconds ? -kMostSeconds
                                                 : seconds;
  return kept * kMicrosPerSecond;
}

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowMicros() = 0;
  // The machine's clock.
  static Clock* System();
};

struct ParsedTime {
  int64_t micros = 0;  // UTC; a text without a zone is read as UTC
  bool has_zone = false;
};

// Reads ISO 8601: "2026-11-21", "2026-11-21T01:30", "2026-11-21 01:30:05.123456", each with "Z", "+00:00",
// "+0000" or no zone. Digits past microseconds are cut. Errors: InvalidArgument (kBadTimestamp), quoting the
// text.
Result<ParsedTime> ParseTime(std::string_view text);

// "2026-11-21T01:30:05Z"; a fraction only when there is one, with 6 digits: "2026-11-21T01:30:05.000001Z".
std::string FormatTime(int64_t micros);
// The same into `to`, which has room for kTimeTextMax characters; where it ended.
inline constexpr size_t kTimeTextMax = 40;
char* WriteTime(int64_t micros, char* to);
void AppendTime(int64_t micros, std::string* out);

}  // namespace salver
