// The text of /metrics: what the threads counted, summed, and what the server, the process and the registry
// are at this moment. Names and labels that Feast has are Feast's; what it lacks begins with salver_.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "salver/feature_store.h"
#include "server/http/metrics.h"

namespace salver {

// What the server holds at the moment of a scrape, and what it has refused since it started.
struct ServerLoad {
  int64_t connections = 0;
  // Requests that wait for their turn or run.
  int64_t reads_queued = 0, searches_queued = 0, writes_queued = 0, jobs_queued = 0;
  int64_t bytes_in_flight = 0, bytes_in_flight_max = 0;
  uint64_t refused_for_bytes = 0, refused_for_time = 0, refused_connections = 0;
  uint64_t refused_searches = 0, refused_writes = 0, refused_jobs = 0;
};

// `endpoints`: the paths that Metrics::CountRequest numbers. From any thread; asks the registry as a request
// does.
std::string MetricsText(const Metrics& metrics, std::span<const std::string_view> endpoints,
                        const ServerLoad& load, FeatureStore* store);

}  // namespace salver
