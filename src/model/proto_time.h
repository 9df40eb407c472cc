// Times and durations of protobuf messages as microseconds.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

#include "base/clock.h"

namespace salver {

// Fractions past microseconds are cut. An absent message is 0. Any message gives a time (SecondsToMicros).
inline int64_t MicrosOf(const google::protobuf::Timestamp& t) {
  return SecondsToMicros(t.seconds()) + t.nanos() / 1000;
}
inline int64_t MicrosOf(const google::protobuf::Duration& d) {
  return SecondsToMicros(d.seconds()) + d.nanos() / 1000;
}

inline void SetMicros(int64_t micros, google::protobuf::Timestamp* t) {
  int64_t seconds = micros / 1'000'000;
  int64_t rest = micros % 1'000'000;
  if (rest < 0) {  // nanos are never negative in a Timestamp
    rest += 1'000'000;
    --seconds;
  }
  t->set_seconds(seconds);
  t->set_nanos(static_cast<int32_t>(rest * 1000));
}

}  // namespace salver
