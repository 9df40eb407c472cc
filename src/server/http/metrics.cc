#include "server/http/metrics.h"

#include <algorithm>

namespace salver {
namespace {

using Seconds = std::chrono::duration<double>;

// Feast's bounds, and finer ones below: requests here take tens of microseconds.
constexpr double kLatencyBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                     0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
constexpr double kReadBounds[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01,
                                  0.025,   0.05,     0.1,     0.25,   0.5,     1.0,    2.5,   5.0,   10.0};
constexpr double kEntityBounds[] = {1, 5, 10, 25, 50, 100, 250, 500, 1000};
constexpr double kMaterializationBounds[] = {1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600};
constexpr double kRowBounds[] = {100, 1000, 10'000, 100'000, 500'000, 1'000'000, 5'000'000};

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next++;
}

WorkMetrics::Timed& TimedOf(std::string_view view, std::span<const double> bounds,
                            std::map<std::string, WorkMetrics::Timed>* all) {
  WorkMetrics::Timed& timed = (*all)[std::string(view)];
  if (timed.seconds == nullptr) timed.seconds = std::make_unique<Distribution>(bounds);
  return timed;
}

void Count(bool ok, std::chrono::steady_clock::duration time, WorkMetrics::Timed* timed) {
  ++(ok ? timed->done : timed->failed);
  timed->seconds->Observe(Seconds(time).count());
}

}  // namespace

size_t Distribution::RangeOf(double value) const {
  return static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
}

void Distribution::Observe(double value, size_t range) {
  counts_[range].Add(1);
  sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

RequestShape RequestShape::Of(size_t features, size_t views) {
  const size_t range = features == 0 ? 1 : features <= 10 ? 2 : features <= 50 ? 3 : features <= 200 ? 4 : 5;
  return {static_cast<uint8_t>(range), static_cast<uint8_t>(std::min(views, kViewsMax))};
}

ViewMetrics::ViewMetrics(std::string_view of_view) : view(of_view), read_seconds(kReadBounds) {}

ThreadMetrics::ThreadMetrics()
    : entity_count(kEntityBounds),
      read_seconds(kReadBounds),
      latency_(kEndpointsMax * RequestShape::kRanges * (RequestShape::kViewsMax + 1)) {
  views_.resize(kViewsMax + 1);
}

ThreadMetrics::~ThreadMetrics() {
  for (auto& distribution : latency_) delete distribution.load();
}

// Most requests ask for the views of one before, in its order.
ViewMetrics& ThreadMetrics::View(std::string_view name) {
  ViewMetrics* const next = last_ != nullptr ? last_->next : nullptr;
  ViewMetrics& view = next != nullptr && next->view == name ? *next : FindView(name);
  if (last_ != nullptr) last_->next = &view;
  return *(last_ = &view);
}

ViewMetrics& ThreadMetrics::FindView(std::string_view name) {
  if (const auto found = view_index_.find(name); found != view_index_.end()) return *found->second;
  const size_t count = view_count();
  if (count > kViewsMax) return *views_[kViewsMax];
  if (count == kViewsMax) name = "";
  views_[count] = std::make_unique<ViewMetrics>(name);
  if (count < kViewsMax) view_index_.emplace(name, views_[count].get());
  view_count_.store(count + 1, std::memory_order_release);
  return *views_[count];
}

Distribution& ThreadMetrics::Latency(size_t endpoint, RequestShape shape) {
  std::atomic<Distribution*>& at = latency_[LatencyAt(endpoint, shape.feature_range, shape.views)];
  Distribution* distribution = at.load(std::memory_order_relaxed);
  if (distribution == nullptr)
    at.store(distribution = new Distribution(kLatencyBounds), std::memory_order_release);
  return *distribution;
}

Metrics::Metrics() : id_(NextId()) {
  work_.history_rows = std::make_unique<Distribution>(kRowBounds);
}

ThreadMetrics& Metrics::Local() {
  thread_local const uint64_t thread = NextId();
  thread_local uint64_t owner = 0;
  thread_local ThreadMetrics* local = nullptr;
  if (owner != id_) {
    std::lock_guard lock(mutex_);
    auto& counted = threads_[thread];
    if (counted == nullptr) counted = std::make_unique<ThreadMetrics>();
    local = counted.get();
    owner = id_;
  }
  return *local;
}

void Metrics::CountRequest(size_t endpoint, int status, RequestShape shape,
                           std::chrono::steady_clock::duration time) {
  if (endpoint >= ThreadMetrics::kEndpointsMax) return;
  ThreadMetrics& local = Local();
  local.requests[endpoint][static_cast<size_t>(std::clamp(status / 100, 0, 5))].Add(1);
  local.Latency(endpoint, shape).Observe(Seconds(time).count());
}

void Metrics::CountEntities(size_t rows) {
  ThreadMetrics& local = Local();
  local.online_requests.Add(1);
  local.entity_count.Observe(static_cast<double>(rows));
}

void Metrics::CountOnline(const OnlineResponse& response) {
  ThreadMetrics& local = Local();
  const double read_s = Seconds(response.times.read - response.times.planned).count();
  const size_t range = local.read_seconds.RangeOf(read_s);
  local.read_seconds.Observe(read_s, range);
  for (const OnlineResponse::ViewVersion& view : response.views) {
    ViewMetrics& counted = local.View(view.name);
    counted.read_seconds.Observe(read_s, range);
    if (view.features == 0) continue;
    std::array<uint64_t, 5> rows{};
    for (const FieldStatus status : response.columns[view.column].statuses)
      ++rows[static_cast<size_t>(status)];
    for (size_t status = 0; status < rows.size(); ++status) {
      if (rows[status] != 0) counted.values[status].Add(rows[status] * view.features);
    }
  }
}

void Metrics::CountPush(std::string_view source, std::string_view target) {
  std::lock_guard lock(work_mutex_);
  ++work_.pushes[{std::string(source), std::string(target)}];
}

void Metrics::CountWrite(std::string_view view, bool ok, std::chrono::steady_clock::duration time) {
  std::lock_guard lock(work_mutex_);
  Count(ok, time, &TimedOf(view, kLatencyBounds, &work_.writes));
}

void Metrics::CountMaterialization(std::string_view view, bool ok, int64_t rows_read,
                                   std::chrono::steady_clock::duration time) {
  std::lock_guard lock(work_mutex_);
  Count(ok, time, &TimedOf(view, kMaterializationBounds, &work_.materializations));
  if (ok && rows_read >= 0) work_.history_rows->Observe(double(rows_read));
}

}  // namespace salver
