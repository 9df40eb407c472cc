// A RegistrySnapshot is one immutable version of a project's definitions, indexed by name. A request takes
// one and sees it from start to end; a new version is a new snapshot, swapped whole.
//
// Thread safety: immutable; share it through shared_ptr<const RegistrySnapshot>.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "salver/entity.h"
#include "salver/feature_service.h"
#include "salver/feature_view.h"
#include "salver/status.h"

namespace feast::core {
class Registry;
}

namespace salver {

class RegistrySnapshot {
 public:
  // Indexes the objects of `project` in `registry` (objects of other projects are kept in proto(),
  // unindexed). Errors: DataLoss (kCorrupt) when the message contradicts itself: a view names an entity that
  // is not there,
  //         two views share a name. The message names both objects.
  static Result<std::shared_ptr<const RegistrySnapshot>> Make(
      std::shared_ptr<const feast::core::Registry> registry, std::string project);

  const std::string& project() const { return project_; }
  // Feast's random id of this version; empty for a registry that was never written.
  const std::string& version_id() const;
  const feast::core::Registry& proto() const { return *proto_; }

  // Any view by name (feature, stream, label, on-demand): null when there is none.
  std::shared_ptr<const FeatureView> FindView(std::string_view name) const;
  // As FindView; NotFound (kViewNotFound) with the nearest name.
  Result<std::shared_ptr<const FeatureView>> GetView(std::string_view name) const;
  Result<std::shared_ptr<const FeatureService>> GetService(std::string_view name) const;
  Result<std::shared_ptr<const Entity>> GetEntity(std::string_view name) const;

  // In the order of the registry file.
  const std::vector<std::shared_ptr<const FeatureView>>& views() const { return views_; }
  const std::vector<std::shared_ptr<const FeatureService>>& services() const { return services_; }
  const std::vector<std::shared_ptr<const Entity>>& entities() const { return entities_; }
  const std::vector<std::shared_ptr<const DataSource>>& data_sources() const { return data_sources_; }

 private:
  std::string project_;
  std::shared_ptr<const feast::core::Registry> proto_;
  std::vector<std::shared_ptr<const FeatureView>> views_;
  std::vector<std::shared_ptr<const FeatureService>> services_;
  std::vector<std::shared_ptr<const Entity>> entities_;
  std::vector<std::shared_ptr<const DataSource>> data_sources_;
  std::map<std::string, size_t, std::less<>> view_index_, service_index_, entity_index_;
};

}  // namespace salver
