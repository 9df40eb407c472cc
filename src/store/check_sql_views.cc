#include "store/check_sql_views.h"

#include <memory>
#include <utility>
#include <vector>

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

// Asks the store for the columns of each source once, however often and by however many views they are
// looked at. Nothing is run.
class KnownSchemas final : public OfflineStore {
 public:
  explicit KnownSchemas(OfflineStore* store) : store_(store) {}
  using Schema = Result<std::shared_ptr<arrow::Schema>>;
  Schema ReadSchema(const DataSource& source) override {
    for (const auto& [known, schema] : known_) {
      const bool same = ReadsSameRows(known, source) && known.name == source.name &&
                        known.column_types == source.column_types &&
                        known.timestamp_field == source.timestamp_field &&
                        known.created_timestamp_column == source.created_timestamp_column;
      if (same) return schema;
    }
    return known_.emplace_back(source, store_->ReadSchema(source)).second;
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    return store_->Open(source, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return store_->Append(source, rows);
  }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override { return store_->Query(sql); }
  Schema DescribeSql(const SqlRequest& request) override { return store_->DescribeSql(request); }
  Result<std::string> SelectOf(const DataSource& source) override { return store_->SelectOf(source); }

 private:
  OfflineStore* const store_;
  std::vector<std::pair<DataSource, Schema>> known_;
};

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
  KnownSchemas known(offline);
  for (const auto& view : (*snapshot)->views()) {
    if (view->kind != FeatureViewKind::kFeature || (view->sql.empty() && view->source_views.empty()))
      continue;
    if (const Status status = CheckView(**snapshot, *view, &known); !status.ok())
      definitions->AddProblem("feature_view", view->name, status.message());
  }
}

}  // namespace salver
