// Online retrieval: entity values in, values and statuses out. No network, no registry on the request path:
// the feature list is compiled once per registry snapshot and thread into a ServingPlan, which later requests
// find in a cache.
//
// Thread safety: Get from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/per_thread.h"
#include "salver/deadline.h"
#include "salver/document_request.h"
#include "salver/online_request.h"
#include "salver/online_store.h"
#include "salver/registry_snapshot.h"

namespace salver {

struct ServingOptions {
  int entity_key_version = 3;
  bool serve_expired_values = false;  // false: an expired value is null with status OUTSIDE_MAX_AGE
  size_t cells_per_request_max = 2'000'000;
};

struct ServingPlan;

// Errors: FailedPrecondition (kViewState) for a view whose rows are not to be served yet.
Status CheckServable(const FeatureView& view);

class OnlineServing {
 public:
  OnlineServing(std::shared_ptr<OnlineStore> store, ServingOptions options)
      : store_(std::move(store)), options_(options) {}

  // Errors: those of ResolveFeatures; InvalidArgument for entity rows that do not fit (kMissingJoinKey,
  // kRaggedRows, kNullJoinKey, kBadKeyValue); FailedPrecondition (kViewState); ResourceExhausted (kLimit);
  // those of the store.
  Result<OnlineResponse> Get(const std::shared_ptr<const RegistrySnapshot>& snapshot,
                             const OnlineRequest& request, int64_t now_us, Deadline deadline);

  // A search of one view. Errors: InvalidArgument for a request that does not fit its view; those of
  // ResolveFeatures and OnlineStore::Search; FailedPrecondition (kViewState); ResourceExhausted (kLimit).
  Result<OnlineResponse> Search(const std::shared_ptr<const RegistrySnapshot>& snapshot,
                                const DocumentRequest& request, int64_t now_us, Deadline deadline);

 private:
  struct Plans {
    std::shared_ptr<const RegistrySnapshot> snapshot;  // that they are compiled for
    std::unordered_map<std::string, std::shared_ptr<const ServingPlan>> plans;
    std::string key;  // scratch
  };
  Result<std::shared_ptr<const ServingPlan>> PlanFor(const std::shared_ptr<const RegistrySnapshot>& snapshot,
                                                     const OnlineRequest& request);

  const std::shared_ptr<OnlineStore> store_;
  const ServingOptions options_;
  PerThread<Plans> plans_;
};

}  // namespace salver
