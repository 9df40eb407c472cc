#include "store/check_sql_views.h"

#include <memory>

#include "engine/check_sources.h"
#include "plan/feature_builder.h"
#include "salver/registry_snapshot.h"

namespace salver {
namespace {

// The definitions as they would be registered, as far as plans look at them.
std::shared_ptr<feast::core::Registry> AsRegistered(const feast::core::Registry& definitions,
                                                    const std::string& project) {
  auto registry = std::make_shared<feast::core::Registry>(definitions);
  for (auto& view : *registry->mutable_feature_views()) view.mutable_spec()->set_project(project);
  for (auto& entity : *registry->mutable_entities()) entity.mutable_spec()->set_project(project);
  return registry;
}

bool NotThereYet(const Status& status) {
  return status.code() == StatusCode::kNotFound || status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kFailedPrecondition;
}

Status CheckView(const RegistrySnapshot& snapshot, const FeatureView& view, OfflineStore* offline) {
  SALVER_ASSIGN(ExecutionPlan plan, FeatureBuilder(snapshot).Latest(view, {INT64_MIN, INT64_MAX}));
  for (const DAGNode& node : plan.nodes) {
    const auto* read = node.As<ReadNode>();
    if (read != nullptr && NotThereYet(offline->ReadSchema(read->source).status())) return Status::OK();
  }
  Problems problems;
  CheckSources(offline, &plan, &problems);
  return problems.ToStatus();
}

}  // namespace

void CheckSqlViews(const std::string& project, OfflineStore* offline, Definitions* definitions) {
  const auto snapshot = RegistrySnapshot::Make(AsRegistered(definitions->registry, project), project);
  if (!snapshot.ok()) return;  // what is wrong is said by others
  for (const auto& view : (*snapshot)->views()) {
    if (view->kind != FeatureViewKind::kFeature || (view->sql.empty() && view->source_views.empty()))
      continue;
    if (const Status status = CheckView(**snapshot, *view, offline); !status.ok())
      definitions->AddProblem("feature_view", view->name, status.message());
  }
}

}  // namespace salver
