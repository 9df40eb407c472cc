// How long threads worked on a node of the plan.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace salver {

// From its start to its end, added to `micros`, which other threads may add to meanwhile; null: not measured.
class NodeTimer {
 public:
  explicit NodeTimer(std::atomic<int64_t>* micros) : micros_(micros) {
    if (micros_ != nullptr) start_ = std::chrono::steady_clock::now();
  }
  ~NodeTimer() {
    if (micros_ == nullptr) return;
    const auto took = std::chrono::steady_clock::now() - start_;
    *micros_ += std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  }
  NodeTimer(const NodeTimer&) = delete;
  NodeTimer& operator=(const NodeTimer&) = delete;

 private:
  std::atomic<int64_t>* const micros_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace salver
