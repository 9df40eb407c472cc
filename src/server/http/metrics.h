// The server's counters, by Feast's names, in Prometheus' text form. Counters are atomics: no lock on the read path.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace salver {

class Histogram {
 public:
  void Observe(double value);
  void AppendText(std::string_view name, std::string_view labels, std::string* out) const;

 private:
  static constexpr std::array<double, 12> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5};
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<double> sum_{0};
};

class Metrics {
 public:
  // `endpoint` is a route's number, `status` the HTTP status.
  void CountRequest(size_t endpoint, int status, std::chrono::steady_clock::duration time);
  void CountOnline(uint64_t entities, uint64_t present, uint64_t null_or_missing);
  void CountPush(bool ok) { ++(ok ? pushes_ok_ : pushes_failed_); }
  void CountMaterialization(bool ok) { ++(ok ? materializations_ok_ : materializations_failed_); }

  // `endpoints`: the paths that CountRequest numbers.
  std::string Text(const std::string* endpoints, size_t endpoint_count) const;

 private:
  static constexpr size_t kEndpointsMax = 16;
  std::array<std::array<std::atomic<uint64_t>, 6>, kEndpointsMax> requests_{};  // by status / 100
  std::array<Histogram, kEndpointsMax> latency_;
  std::atomic<uint64_t> entities_{0}, present_{0}, missing_{0}, online_requests_{0};
  std::atomic<uint64_t> pushes_ok_{0}, pushes_failed_{0}, materializations_ok_{0}, materializations_failed_{0};
};

}  // namespace salver
