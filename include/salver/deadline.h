// A Deadline is the monotonic moment by which a call must have answered. It travels with every call to a
// backend; wall-clock changes do not move it.
#pragma once

#include <chrono>

namespace salver {

class Deadline {
 public:
  static Deadline Never() { return Deadline(Clock::time_point::max()); }
  static Deadline At(std::chrono::steady_clock::time_point at) { return Deadline(at); }
  static Deadline After(std::chrono::microseconds time) { return Deadline(Clock::now() + time); }
  bool Passed() const { return at_ != Clock::time_point::max() && Clock::now() >= at_; }
  std::chrono::steady_clock::time_point at() const { return at_; }

 private:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

}  // namespace salver
