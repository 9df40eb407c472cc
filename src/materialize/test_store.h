// An online store for tests of loads: what else a store does is not asked of it.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "salver/online_store.h"

namespace salver {

class LoadOnlyStore : public OnlineStore {
 public:
  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead>, Deadline) final {
    return Status::Unimplemented("not read here");
  }
  Result<WriteCounts> Write(const FeatureView&, const OnlineBatch&, Deadline) final {
    return Status::Unimplemented("not written here");
  }
  Status Apply(std::span<const std::shared_ptr<const FeatureView>>,
               std::span<const std::shared_ptr<const FeatureView>>) final {
    return Status::OK();
  }
  Status Teardown(std::span<const std::shared_ptr<const FeatureView>>) final { return Status::OK(); }
  OnlineCapabilities capabilities() const final { return {}; }
  std::string_view durability() const final { return "as the test says"; }
  std::string_view type() const final { return "test"; }
};

}  // namespace salver
