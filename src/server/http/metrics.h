// What the server counts. Every thread counts for itself, without a lock and, after a view's or a kind of
// request's first time, without an allocation; a scrape sums (metrics_text.h). Writes, which are rare beside
// reads, are counted under a lock.
//
// Thread safety: everything from any thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "salver/online_request.h"

namespace salver {

// A number that one thread adds to and others read: no instruction that locks the bus.
class ThreadCounter {
 public:
  void Add(uint64_t by) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// How often values came, by ranges that end at `bounds` (ascending, at most kBoundsMax; they outlive this).
// One thread observes, others read.
class Distribution {
 public:
  static constexpr size_t kBoundsMax = 20;
  explicit Distribution(std::span<const double> bounds) : bounds_(bounds) {}
  void Observe(double value) { Observe(value, RangeOf(value)); }
  // `range`: RangeOf(value), of this or of another one with the same bounds.
  void Observe(double value, size_t range);
  size_t RangeOf(double value) const;
  std::span<const double> bounds() const { return bounds_; }
  uint64_t count(size_t range) const { return counts_[range].value(); }  // range bounds().size(): above all
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const double> bounds_;
  std::array<ThreadCounter, kBoundsMax + 1> counts_;
  std::atomic<double> sum_{0};
};

// The features and views of a request, as the labels of its latency have them: Feast's ranges of numbers of
// features, and the number of views.
struct RequestShape {
  static constexpr size_t kRanges = 6, kViewsMax = 65;  // 0: none was resolved; the last: that many or more
  static constexpr std::array<const char*, kRanges> kRangeNames = {"",      "0",      "1-10",
                                                                   "11-50", "51-200", "201+"};
  uint8_t feature_range = 0, views = 0;
  static RequestShape Of(size_t features, size_t views);
};

// What one thread counts of one feature view.
struct ViewMetrics {
  explicit ViewMetrics(std::string_view of_view);
  const std::string view;
  std::array<ThreadCounter, 5> values;  // by FieldStatus
  ViewMetrics* next = nullptr;          // that was counted after it the last time
  Distribution read_seconds;            // of the store, for requests that read the view
};

// What one thread counts.
class ThreadMetrics {
 public:
  static constexpr size_t kEndpointsMax = 32, kStatusClasses = 6, kViewsMax = 4096;
  ThreadMetrics();
  ~ThreadMetrics();
  ThreadMetrics(const ThreadMetrics&) = delete;
  ThreadMetrics& operator=(const ThreadMetrics&) = delete;

  // From the thread alone. Views beyond kViewsMax are counted together, under the name "".
  ViewMetrics& View(std::string_view name);
  Distribution& Latency(size_t endpoint, RequestShape shape);

  // From others; null where nothing was counted.
  const Distribution* latency(size_t endpoint, size_t range, size_t views) const {
    return latency_[LatencyAt(endpoint, range, views)].load(std::memory_order_acquire);
  }
  size_t view_count() const { return view_count_.load(std::memory_order_acquire); }
  const ViewMetrics& view(size_t i) const { return *views_[i]; }

  std::array<std::array<ThreadCounter, kStatusClasses>, kEndpointsMax> requests;  // by status / 100
  ThreadCounter online_requests;
  Distribution entity_count, read_seconds;

 private:
  static size_t LatencyAt(size_t endpoint, size_t range, size_t views) {
    return (endpoint * RequestShape::kRanges + range) * (RequestShape::kViewsMax + 1) + views;
  }
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::vector<std::atomic<Distribution*>> latency_;
  ViewMetrics& FindView(std::string_view name);

  std::unordered_map<std::string, ViewMetrics*, Hash, std::equal_to<>> view_index_;
  ViewMetrics* last_ = nullptr;                      // that was counted
  std::vector<std::unique_ptr<ViewMetrics>> views_;  // has its room from the start: others read it
  std::atomic<size_t> view_count_{0};
};

// What is counted of work that writes.
struct WorkMetrics {
  struct Timed {
    uint64_t done = 0, failed = 0;
    std::unique_ptr<Distribution> seconds;
  };
  std::map<std::pair<std::string, std::string>, uint64_t>
      pushes;                                             // by source and target, those that succeeded
  std::map<std::string, Timed> materializations, writes;  // by view
  std::unique_ptr<Distribution> history_rows;             // that a materialization read of a view
};

class Metrics {
 public:
  Metrics();
  // `endpoint` is a route's number, `status` the HTTP status.
  void CountRequest(size_t endpoint, int status, RequestShape shape,
                    std::chrono::steady_clock::duration time);
  // Entity rows of an online request, whatever becomes of it.
  void CountEntities(size_t rows);
  void CountOnline(const OnlineResponse& response);
  void CountPush(std::string_view source, std::string_view target);
  void CountWrite(std::string_view view, bool ok, std::chrono::steady_clock::duration time);
  // `rows_read` -1: not known.
  void CountMaterialization(std::string_view view, bool ok, int64_t rows_read,
                            std::chrono::steady_clock::duration time);

  // Calls `use` for what each thread has counted.
  template <typename Use>
  void ForEachThread(const Use& use) const {
    std::lock_guard lock(mutex_);
    for (const auto& [thread, counted] : threads_) use(static_cast<const ThreadMetrics&>(*counted));
  }
  template <typename Use>
  void WithWork(const Use& use) const {
    std::lock_guard lock(work_mutex_);
    use(work_);
  }

 private:
  ThreadMetrics& Local();

  const uint64_t id_;  // of no other object of this process
  mutable std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<ThreadMetrics>> threads_;  // by numbers that no other thread had
  mutable std::mutex work_mutex_;
  WorkMetrics work_;
};

}  // namespace salver
