#include "base/clock.h"

#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/digits.h"

namespace salver {
namespace {

class SystemClock final : public Clock {
 public:
  int64_t NowMicros() override {
    using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::system_clock;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  }
};

// Reads exactly `digits` digits at `*at` and moves past them; -1 when there are fewer.
int ReadDigits(std::string_view text, size_t* at, int digits) {
  if (*at + digits > text.size()) return -1;
  int value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = text[*at + i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  *at += digits;
  return value;
}

bool Skip(std::string_view text, size_t* at, char c) {
  if (*at >= text.size() || text[*at] != c) return false;
  ++*at;
  return true;
}

Status BadTime(std::string_view text) {
  return Status::InvalidArgument(
      "time \"" + std::string(text.substr(0, 64)) +
          "\" is not ISO 8601. Write it as 2026-11-21T01:30:00 or 2026-11-21T01:30:00Z.",
      Reason::kBadTimestamp);
}

struct TimeOfDay {
  int hour = 0, minute = 0, second = 0;
  int64_t micros = 0;
};

// [hh:mm[:ss[.ffffff]]] at `*at`; false when malformed.
bool ReadTimeOfDay(std::string_view text, size_t* at, TimeOfDay* time) {
  time->hour = ReadDigits(text, at, 2);
  if (time->hour < 0 || !Skip(text, at, ':')) return false;
  time->minute = ReadDigits(text, at, 2);
  if (time->minute < 0) return false;
  if (!Skip(text, at, ':')) return true;
  time->second = ReadDigits(text, at, 2);
  if (time->second < 0) return false;
  if (!Skip(text, at, '.')) return true;
  int64_t unit = 100'000;
  const size_t first = *at;
  for (; *at < text.size() && text[*at] >= '0' && text[*at] <= '9'; ++*at, unit /= 10) {
    time->micros += unit * (text[*at] - '0');
  }
  return *at > first;
}

// "Z", "+hh:mm", "+hhmm", "+hh" or nothing, to the end of the text; false when malformed.
bool ReadZone(std::string_view text, size_t* at, bool* has_zone, int64_t* offset_seconds) {
  *has_zone = *at < text.size();
  if (!*has_zone) return true;
  if (Skip(text, at, 'Z') || Skip(text, at, 'z')) return *at == text.size();
  const bool minus = text[*at] == '-';
  if (!minus && text[*at] != '+') return false;
  ++*at;
  const int hours = ReadDigits(text, at, 2);
  if (hours < 0 || hours > 23) return false;
  int minutes = 0;
  if (*at < text.size()) {
    Skip(text, at, ':');
    minutes = ReadDigits(text, at, 2);
    if (minutes < 0 || minutes > 59) return false;
  }
  *offset_seconds = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
  return *at == text.size();
}

}  // namespace

Clock* Clock::System() {
  static SystemClock clock;
  return &clock;
}

Result<ParsedTime> ParseTime(std::string_view text) {
  using namespace std::chrono;
  size_t at = 0;
  const int y = ReadDigits(text, &at, 4);
  if (y < 0 || !Skip(text, &at, '-')) return BadTime(text);
  const int m = ReadDigits(text, &at, 2);
  if (m < 0 || !Skip(text, &at, '-')) return BadTime(text);
  const int d = ReadDigits(text, &at, 2);
  const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
  if (d < 0 || !date.ok()) return BadTime(text);

  TimeOfDay time;
  ParsedTime parsed;
  int64_t offset_seconds = 0;
  if (at < text.size() && (Skip(text, &at, 'T') || Skip(text, &at, ' '))) {
    if (!ReadTimeOfDay(text, &at, &time)) return BadTime(text);
    if (time.hour > 23 || time.minute > 59 || time.second > 59) return BadTime(text);
    Skip(text, &at, ' ');
    if (!ReadZone(text, &at, &parsed.has_zone, &offset_seconds)) return BadTime(text);
  } else if (at != text.size()) {
    return BadTime(text);
  }
  const int64_t days = sys_days{date}.time_since_epoch().count();
  const int64_t seconds = days * 86'400 + time.hour * 3600 + time.minute * 60 + time.second - offset_seconds;
  parsed.micros = seconds * kMicrosPerSecond + time.micros;
  return parsed;
}

char* WriteTime(int64_t micros, char* to) {
  using namespace std::chrono;
  const auto day_point = floor<days>(sys_time<microseconds>{microseconds{micros}});
  const year_month_day date{day_point};
  constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;
  const int64_t in_day = (micros % kMicrosPerDay + kMicrosPerDay) % kMicrosPerDay;
  const auto second = static_cast<uint32_t>(in_day / kMicrosPerSecond);
  const auto fraction = static_cast<uint32_t>(in_day % kMicrosPerSecond);
  const int year_number = static_cast<int>(date.year());
  if (year_number < 0 || year_number > 9999) {  // outside what four digits can say
    to = std::to_chars(to, to + 8, year_number).ptr;
  } else {
    to = WriteFourDigits(static_cast<uint32_t>(year_number), to);
  }
  *to++ = '-';
  to = WriteTwoDigits(static_cast<unsigned>(date.month()), to);
  *to++ = '-';
  to = WriteTwoDigits(static_cast<unsigned>(date.day()), to);
  *to++ = 'T';
  to = WriteTwoDigits(second / 3600, to);
  *to++ = ':';
  to = WriteTwoDigits(second / 60 % 60, to);
  *to++ = ':';
  to = WriteTwoDigits(second % 60, to);
  if (fraction != 0) {
    *to++ = '.';
    to = WriteFourDigits(fraction % 10'000, WriteTwoDigits(fraction / 10'000, to));
  }
  *to++ = 'Z';
  return to;
}

void AppendTime(int64_t micros, std::string* out) {
  char text[kTimeTextMax];
  out->append(text, WriteTime(micros, text));
}

std::string FormatTime(int64_t micros) {
  std::string text;
  AppendTime(micros, &text);
  return text;
}

}  // namespace salver
