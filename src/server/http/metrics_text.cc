#include "server/http/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <utility>

#include "base/clock.h"

namespace salver {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// Distributions with the same bounds, added up.
class Sum {
 public:
  void Add(const Distribution& one) {
    bounds_ = one.bounds();
    counts_.resize(bounds_.size() + 1);
    for (size_t range = 0; range < counts_.size(); ++range) counts_[range] += one.count(range);
    sum_ += one.sum();
  }
  ClientMetric Metric(Labels labels) const {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.histogram.sample_sum = sum_;
    for (size_t range = 0; range < counts_.size(); ++range) {
      metric.histogram.sample_count += counts_[range];
      // The serializer writes the last range, which has no bound, by itself.
      if (range < bounds_.size())
        metric.histogram.bucket.push_back({metric.histogram.sample_count, bounds_[range]});
    }
    return metric;
  }

 private:
  std::span<const double> bounds_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
};

// The families of one text, in the order of their first mention.
class Families {
 public:
  void Counter(const char* name, const char* help, Labels labels, double value) {
    ClientMetric& metric = Add(name, help, MetricType::Counter, std::move(labels));
    metric.counter.value = value;
  }
  void Gauge(const char* name, const char* help, Labels labels, double value) {
    ClientMetric& metric = Add(name, help, MetricType::Gauge, std::move(labels));
    metric.gauge.value = value;
  }
  void Histogram(const char* name, const char* help, Labels labels, const Sum& sum) {
    Add(name, help, MetricType::Histogram, {}) = sum.Metric(std::move(labels));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  ClientMetric& Add(const char* name, const char* help, MetricType type, Labels labels) {
    auto found = std::find_if(families_.begin(), families_.end(),
                              [&](const MetricFamily& family) { return family.name == name; });
    if (found == families_.end()) found = families_.insert(families_.end(), {name, help, type, {}});
    ClientMetric& metric = found->metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  std::vector<MetricFamily> families_;
};

void AddRequests(const Metrics& metrics, std::span<const std::string_view> endpoints, Families* out) {
  constexpr const char* kTotal = "feast_feature_server_request_total";
  constexpr const char* kTotalHelp = "Requests by endpoint and outcome";
  constexpr const char* kLatency = "feast_feature_server_request_latency_seconds";
  for (size_t endpoint = 0; endpoint < std::min(endpoints.size(), ThreadMetrics::kEndpointsMax); ++endpoint) {
    const std::string path(endpoints[endpoint]);
    uint64_t success = 0, error = 0;
    std::map<std::pair<size_t, size_t>, Sum> latency;
    metrics.ForEachThread([&](const ThreadMetrics& thread) {
      for (size_t status = 0; status < ThreadMetrics::kStatusClasses; ++status)
        (status < 4 ? success : error) += thread.requests[endpoint][status].value();
      for (size_t range = 0; range < RequestShape::kRanges; ++range) {
        for (size_t views = 0; views <= RequestShape::kViewsMax; ++views) {
          if (const Distribution* one = thread.latency(endpoint, range, views))
            latency[{range, views}].Add(*one);
        }
      }
    });
    if (success > 0)
      out->Counter(kTotal, kTotalHelp, {{"endpoint", path}, {"status", "success"}}, double(success));
    if (error > 0) out->Counter(kTotal, kTotalHelp, {{"endpoint", path}, {"status", "error"}}, double(error));
    for (const auto& [shape, sum] : latency) {
      const auto [range, views] = shape;
      const std::string view_count = range == 0                         ? ""
                                     : views == RequestShape::kViewsMax ? std::to_string(views) + "+"
                                                                        : std::to_string(views);
      out->Histogram(kLatency, "Time from a request's last byte to the first byte of its answer",
                     {{"endpoint", path},
                      {"feature_count", RequestShape::kRangeNames[range]},
                      {"feature_view_count", view_count}},
                     sum);
    }
  }
}

void AddOnline(const Metrics& metrics, const std::string& store, Families* out) {
  struct View {
    std::array<uint64_t, 5> values{};
    Sum read;
  };
  uint64_t requests = 0;
  Sum entities, read;
  std::map<std::string, View> views;
  metrics.ForEachThread([&](const ThreadMetrics& thread) {
    requests += thread.online_requests.value();
    entities.Add(thread.entity_count);
    read.Add(thread.read_seconds);
    for (size_t i = 0; i < thread.view_count(); ++i) {
      const ViewMetrics& counted = thread.view(i);
      View& view = views[counted.view];
      for (size_t status = 0; status < view.values.size(); ++status)
        view.values[status] += counted.values[status].value();
      view.read.Add(counted.read_seconds);
    }
  });
  out->Counter("feast_online_features_request_total", "Online feature requests", {}, double(requests));
  out->Histogram("feast_online_features_entity_count", "Entity rows of an online feature request", {},
                 entities);
  out->Histogram("feast_feature_server_online_store_read_duration_seconds",
                 "Time that the online store took for a request, all its views", {}, read);
  for (const auto& [name, view] : views) {
    const auto count = [&](const char* status, uint64_t values) {
      if (values == 0) return;
      out->Counter("feast_online_features_status_total", "Feature values by status and feature view",
                   {{"feature_view", name}, {"status", status}}, double(values));
    };
    const auto of = [&](FieldStatus status) { return view.values[static_cast<size_t>(status)]; };
    count("present", of(FieldStatus::kPresent) + of(FieldStatus::kNullValue));
    count("not_found", of(FieldStatus::kNotFound));
    count("outside_max_age", of(FieldStatus::kOutsideMaxAge));
  }
  for (const auto& [name, view] : views) {
    out->Histogram("salver_online_store_read_seconds",
                   "Time that the online store took for requests that read the feature view",
                   {{"feature_view", name}, {"store", store}}, view.read);
  }
}

void AddWork(const Metrics& metrics, const std::string& store, Families* out) {
  metrics.WithWork([&](const WorkMetrics& work) {
    for (const auto& [push, count] : work.pushes) {
      out->Counter("feast_push_request_total", "Pushes that succeeded",
                   {{"push_source", push.first}, {"mode", push.second}}, double(count));
    }
    const auto outcomes = [&](const char* name, const char* help, const char* failed,
                              const std::map<std::string, WorkMetrics::Timed>& all) {
      for (const auto& [view, timed] : all) {
        if (timed.done > 0)
          out->Counter(name, help, {{"feature_view", view}, {"status", "success"}}, double(timed.done));
        if (timed.failed > 0)
          out->Counter(name, help, {{"feature_view", view}, {"status", failed}}, double(timed.failed));
      }
    };
    outcomes("feast_materialization_result_total", "Materializations by feature view and outcome", "failure",
             work.materializations);
    Sum history;
    uint64_t read = 0, failed = 0;
    for (const auto& [view, timed] : work.materializations) {
      Sum sum;
      sum.Add(*timed.seconds);
      history.Add(*timed.seconds);
      read += timed.done;
      failed += timed.failed;
      out->Histogram("feast_materialization_duration_seconds", "Time from the request to the view's last row",
                     {{"feature_view", view}}, sum);
    }
    if (read + failed > 0) {
      const auto total = [&](const char* status, uint64_t count) {
        if (count == 0) return;
        out->Counter("feast_offline_store_request_total", "Reads of history, for materializations",
                     {{"method", "to_arrow"}, {"status", status}}, double(count));
      };
      total("success", read);
      total("error", failed);
      out->Histogram("feast_offline_store_request_latency_seconds", "Time of reads of history",
                     {{"method", "to_arrow"}}, history);
      Sum rows;
      rows.Add(*work.history_rows);
      out->Histogram("feast_offline_store_row_count", "Rows of reads of history", {{"method", "to_arrow"}},
                     rows);
    }
    outcomes("salver_online_write_total", "Writes of rows by feature view and outcome", "error", work.writes);
    for (const auto& [view, timed] : work.writes) {
      Sum sum;
      sum.Add(*timed.seconds);
      out->Histogram("salver_online_store_write_seconds", "Time until the rows of a write were acknowledged",
                     {{"feature_view", view}, {"store", store}}, sum);
    }
  });
}

double CpuSeconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

int64_t ResidentPages() {
  int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident;
}

void AddProcess(Families* out) {
  // Since the scrape before, whoever asked it; the first one since the process began to count.
  static std::mutex mutex;
  static double cpu_before = 0;
  static auto before = std::chrono::steady_clock::now();
  static double percent = 0;
  const double cpu = CpuSeconds();
  double shown;
  {
    std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    const double elapsed = std::chrono::duration<double>(now - before).count();
    if (elapsed > 0.1) {
      percent = (cpu - cpu_before) / elapsed * 100;
      cpu_before = cpu;
      before = now;
    }
    shown = percent;
  }
  const Labels pid = {{"pid", std::to_string(::getpid())}};
  const double page = double(::sysconf(_SC_PAGESIZE));
  const double resident = double(ResidentPages());
  out->Gauge("feast_feature_server_cpu_usage", "Processor time since the last scrape, in percent of one core",
             pid, shown);
  out->Gauge("feast_feature_server_memory_usage", "Resident memory in percent of the machine's", pid,
             resident / double(::sysconf(_SC_PHYS_PAGES)) * 100);
  out->Gauge("salver_resident_memory_bytes", "Resident memory", {}, resident * page);
  out->Counter("salver_cpu_seconds_total", "Processor time, in the kernel and outside", {}, cpu);
}

void AddLoad(const ServerLoad& load, Families* out) {
  out->Gauge("salver_connections", "Open connections", {}, double(load.connections));
  const char* queue = "Requests that wait for their turn or run";
  out->Gauge("salver_queue_length", queue, {{"queue", "reads"}}, double(load.reads_queued));
  out->Gauge("salver_queue_length", queue, {{"queue", "searches"}}, double(load.searches_queued));
  out->Gauge("salver_queue_length", queue, {{"queue", "writes"}}, double(load.writes_queued));
  out->Gauge("salver_queue_length", queue, {{"queue", "materializations"}}, double(load.jobs_queued));
  out->Gauge("salver_bytes_in_flight", "Bytes of requests and answers in memory", {},
             double(load.bytes_in_flight));
  out->Gauge("salver_bytes_in_flight_max", "Where requests begin to be refused", {},
             double(load.bytes_in_flight_max));
  const auto refused = [&](const char* reason, uint64_t count) {
    out->Counter("salver_refused_total", "Requests that were answered 503 at once", {{"reason", reason}},
                 double(count));
  };
  refused("bytes_in_flight", load.refused_for_bytes);
  refused("queue_time", load.refused_for_time);
  refused("search_queue", load.refused_searches);
  refused("write_queue", load.refused_writes);
  refused("materialization_queue", load.refused_jobs);
  refused("connections", load.refused_connections);
}

void AddRegistry(FeatureStore* store, Families* out) {
  const auto snapshot = store->Snapshot();
  out->Gauge("salver_registry_up", "1 when the registry can be read", {}, snapshot.ok() ? 1 : 0);
  if (!snapshot.ok()) return;
  const RegistrySnapshot& registry = **snapshot;
  const int64_t now_us = Clock::System()->NowMicros();
  out->Gauge("salver_registry_info", "1, with the version that requests see",
             {{"project", registry.project()}, {"version", registry.version_id()}}, 1);
  out->Gauge("salver_registry_feature_views", "Feature views of the project", {},
             double(registry.views().size()));
  for (const auto& view : registry.views()) {
    if (view->materialized.empty()) continue;
    int64_t end_us = 0;
    for (const TimeInterval& interval : view->materialized) end_us = std::max(end_us, interval.end_us);
    out->Gauge("feast_feature_freshness_seconds", "Time since the end of what was materialized last",
               {{"feature_view", view->name}, {"project", registry.project()}},
               double(now_us - end_us) / 1e6);
  }
}

}  // namespace

std::string MetricsText(const Metrics& metrics, std::span<const std::string_view> endpoints,
                        const ServerLoad& load, FeatureStore* store) {
  const std::string store_type(store->online_store_type());
  Families families;
  AddRequests(metrics, endpoints, &families);
  AddOnline(metrics, store_type, &families);
  AddWork(metrics, store_type, &families);
  AddLoad(load, &families);
  AddRegistry(store, &families);
  AddProcess(&families);
  return families.Text();
}

}  // namespace salver
