#include "server/http/metrics.h"

#include <algorithm>
#include <cstdio>

namespace salver {
namespace {

void AppendSample(std::string_view name, std::string_view labels, double value, std::string* out) {
  char number[32];
  std::snprintf(number, sizeof number, "%.17g", value);
  *out += name;
  if (!labels.empty()) (*out += '{').append(labels) += '}';
  ((*out += ' ') += number) += '\n';
}

void AppendHead(std::string_view name, std::string_view type, std::string_view help, std::string* out) {
  ((((*out += "# HELP ").append(name) += ' ').append(help) += "\n# TYPE ").append(name) += ' ').append(type) += '\n';
}

}  // namespace

void Histogram::Observe(double value) {
  const size_t bucket = static_cast<size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

void Histogram::AppendText(std::string_view name, std::string_view labels, std::string* out) const {
  uint64_t total = 0;
  const std::string separator = labels.empty() ? "" : ",";
  for (size_t i = 0; i <= kBounds.size(); ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    char bound[16] = "+Inf";
    if (i < kBounds.size()) std::snprintf(bound, sizeof bound, "%g", kBounds[i]);
    AppendSample(std::string(name) + "_bucket", std::string(labels) + separator + "le=\"" + bound + "\"", double(total), out);
  }
  AppendSample(std::string(name) + "_sum", labels, sum_.load(std::memory_order_relaxed), out);
  AppendSample(std::string(name) + "_count", labels, double(total), out);
}

void Metrics::CountRequest(size_t endpoint, int status, std::chrono::steady_clock::duration time) {
  if (endpoint >= kEndpointsMax) return;
  requests_[endpoint][static_cast<size_t>(std::clamp(status / 100, 0, 5))].fetch_add(1, std::memory_order_relaxed);
  latency_[endpoint].Observe(std::chrono::duration<double>(time).count());
}

void Metrics::CountOnline(uint64_t entities, uint64_t present, uint64_t null_or_missing) {
  online_requests_.fetch_add(1, std::memory_order_relaxed);
  entities_.fetch_add(entities, std::memory_order_relaxed);
  present_.fetch_add(present, std::memory_order_relaxed);
  missing_.fetch_add(null_or_missing, std::memory_order_relaxed);
}

std::string Metrics::Text(const std::string* endpoints, size_t endpoint_count) const {
  std::string out;
  AppendHead("feast_feature_server_request_total", "counter", "Requests by endpoint and class of status", &out);
  const size_t count = std::min(endpoint_count, kEndpointsMax);
  for (size_t i = 0; i < count; ++i) {
    for (size_t kind = 1; kind < 6; ++kind) {
      const uint64_t requests = requests_[i][kind].load(std::memory_order_relaxed);
      if (requests == 0) continue;
      AppendSample("feast_feature_server_request_total",
                   "endpoint=\"" + endpoints[i] + "\",status=\"" + std::to_string(kind) + "xx\"", double(requests), &out);
    }
  }
  AppendHead("feast_feature_server_request_latency_seconds", "histogram", "Time from a request's last byte to its answer", &out);
  for (size_t i = 0; i < count; ++i) {
    latency_[i].AppendText("feast_feature_server_request_latency_seconds", "endpoint=\"" + endpoints[i] + "\"", &out);
  }
  const auto counter = [&](std::string_view name, std::string_view labels, const std::atomic<uint64_t>& value) {
    AppendSample(name, labels, double(value.load(std::memory_order_relaxed)), &out);
  };
  AppendHead("feast_online_features_request_total", "counter", "Online feature requests", &out);
  counter("feast_online_features_request_total", "", online_requests_);
  AppendHead("feast_online_features_entity_count", "counter", "Entity rows asked for", &out);
  counter("feast_online_features_entity_count", "", entities_);
  AppendHead("feast_online_features_status_total", "counter", "Feature values by status", &out);
  counter("feast_online_features_status_total", "status=\"present\"", present_);
  counter("feast_online_features_status_total", "status=\"missing\"", missing_);
  AppendHead("feast_push_request_total", "counter", "Push requests", &out);
  counter("feast_push_request_total", "result=\"success\"", pushes_ok_);
  counter("feast_push_request_total", "result=\"failure\"", pushes_failed_);
  AppendHead("feast_materialization_result_total", "counter", "Materialization requests", &out);
  counter("feast_materialization_result_total", "result=\"success\"", materializations_ok_);
  counter("feast_materialization_result_total", "result=\"failure\"", materializations_failed_);
  return out;
}

}  // namespace salver
