// Chance for random tests: everything follows from one seed, which the test prints.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

namespace salver {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  int64_t Below(int64_t bound) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(bound)); }
  bool OneIn(int64_t count) { return Below(count) == 0; }
  uint64_t Bits() { return engine_(); }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(Below(static_cast<int64_t>(from.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

// A number that the environment may set: SALVER_SEED replays a random test, others say how many cases it has.
inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace salver
