// The facade: opens what a repository's configuration names and routes each verb to the room that does it.
#include "salver/feature_store.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <atomic>
#include <mutex>

#include "base/clock.h"
#include "base/files.h"
#include "base/nearest.h"
#include "base/published.h"
#include "engine/local_engine.h"
#include "feast/core/Registry.pb.h"
#include "materialize/materialize.h"
#include "model/data_source_message.h"
#include "offline/offline_stores.h"
#include "online/online_stores.h"
#include "registry/apply.h"
#include "registry/definitions.h"
#include "registry/definitions_yaml.h"
#include "registry/file_registry.h"
#include "registry/saved_datasets.h"
#include "retrieval/entity_rows.h"
#include "retrieval/historical.h"
#include "retrieval/pull.h"
#include "serving/online_serving.h"
#include "store/check_sql_views.h"
#include "store/logged_feature_store.h"
#include "store/python_definitions.h"
#include "store/repo_config.h"

namespace salver {
namespace {

using SnapshotPtr = std::shared_ptr<const RegistrySnapshot>;

Result<std::vector<SourceColumnInfo>> ReadColumns(const feast::core::DataSource& source,
                                                  OfflineStore* offline) {
  SALVER_ASSIGN(const auto schema, offline->ReadSchema(DataSourceOf(source)));
  std::vector<SourceColumnInfo> columns;
  for (const auto& field : schema->fields()) {
    const auto type = ValueTypeOfArrow(*field->type());
    columns.push_back({field->name(), type.ok() ? *type : ValueType::kInvalid});
  }
  return columns;
}

class LocalFeatureStore final : public FeatureStore {
 public:
  LocalFeatureStore(RepoConfig config, std::shared_ptr<ComputeEngine> engine)
      : config_(std::move(config)),
        engine_(engine != nullptr ? std::move(engine) : NewLocalEngine()),
        offline_(NewOfflineStores(config_.offline_store)),
        registry_(NewFileRegistry(Files::System(), Clock::System(), config_.registry_path)) {}

  const std::string& project() const override { return config_.project; }
  const std::string& repository() const override { return config_.repository; }

  Result<SnapshotPtr> Snapshot() override {
    const bool fresh = config_.registry_cache_ttl_s == 0 ||
                       std::chrono::steady_clock::now() < snapshot_checked_.load() + kRecheck;
    if (fresh) {
      if (SnapshotPtr snapshot = snapshot_.Load()) return snapshot;
    }
    auto loaded = Reload();
    if (loaded.ok()) return loaded;
    // A registry that can not be read for a moment (Feast writes the file in place) is no reason to stop
    // serving the version that is known.
    SnapshotPtr snapshot = snapshot_.Load();
    if (snapshot == nullptr) return loaded.status();
    snapshot_checked_ = std::chrono::steady_clock::now();
    return snapshot;
  }

  Result<SnapshotPtr> Reload() override {
    SALVER_ASSIGN(auto proto, registry_->Load());
    std::lock_guard lock(reload_mutex_);
    snapshot_checked_ = std::chrono::steady_clock::now();
    SnapshotPtr known = snapshot_.Load();
    if (known != nullptr && &known->proto() == proto.get()) return known;
    SALVER_ASSIGN(SnapshotPtr snapshot, RegistrySnapshot::Make(std::move(proto), config_.project));
    snapshot_.Store(std::move(snapshot));
    return snapshot_.Load();
  }

  Result<ApplyReport> Plan(const ApplyOptions& options) override {
    SALVER_ASSIGN(const Definitions definitions, ReadDefinitions(options));
    SALVER_ASSIGN(const auto current, registry_->Load());
    feast::core::Registry next = *current;
    return ApplyDefinitions(definitions, RulesFor(options), &next);
  }

  Result<ApplyReport> Apply(const ApplyOptions& options) override {
    SALVER_ASSIGN(const Definitions definitions, ReadDefinitions(options));
    SALVER_ASSIGN(const SnapshotPtr before, Reload());
    SALVER_ASSIGN(auto store, OpenOnlineStore());
    // Tables first: a registry that is committed names no table that is missing.
    const ApplyRules rules = RulesFor(options);
    auto planned = std::make_shared<feast::core::Registry>(before->proto());
    ApplyReport report = ApplyDefinitions(definitions, rules, planned.get());
    SALVER_ASSIGN(const SnapshotPtr after, RegistrySnapshot::Make(planned, config_.project));
    if (store != nullptr) SALVER_RETURN_NOT_OK(store->Apply(OnlineViews(*after), {}));
    if (!report.changes.empty() || !report.infra.empty()) {
      SALVER_RETURN_NOT_OK(registry_
                               ->Update([&](feast::core::Registry* registry) {
                                 report = ApplyDefinitions(definitions, rules, registry);
                                 return Status::OK();
                               })
                               .status());
    }
    SALVER_ASSIGN(const SnapshotPtr committed, Reload());
    // Rows of views that are gone go last: until the commit they could still be asked for.
    if (store != nullptr) {
      SALVER_RETURN_NOT_OK(store->Apply(OnlineViews(*committed), Gone(*before, *committed)));
      SALVER_RETURN_NOT_OK(store->ApplyPacks(Packs(*committed)));
    }
    return report;
  }

  Status Teardown() override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Reload());
    SALVER_ASSIGN(auto store, OpenOnlineStore());
    if (store != nullptr) SALVER_RETURN_NOT_OK(store->Teardown(OnlineViews(*snapshot)));
    SALVER_RETURN_NOT_OK(registry_->Teardown());
    std::lock_guard lock(reload_mutex_);
    snapshot_.Store(nullptr);
    return Status::OK();
  }

  Result<std::unique_ptr<RetrievalJob>> GetHistoricalFeatures(const HistoricalRequest& request) override {
    SALVER_ASSIGN(auto snapshot, Snapshot());
    if (request.entity_source.empty())
      return PlanHistoricalFeatures(std::move(snapshot), request, ReadContext());
    if (request.entities != nullptr) {
      return Status::InvalidArgument("entity rows were given as a table and as \"" + request.entity_source +
                                     "\". Give one of them.");
    }
    HistoricalRequest with_rows = request;
    SALVER_ASSIGN(with_rows.entities, ReadEntityRows(request.entity_source, *snapshot, offline_.get()));
    return PlanHistoricalFeatures(std::move(snapshot), with_rows, ReadContext());
  }

  Result<std::shared_ptr<arrow::RecordBatchReader>> PullLatest(const PullRequest& request) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    return salver::PullLatest(*snapshot, request, ReadContext());
  }
  Result<std::shared_ptr<arrow::RecordBatchReader>> PullAll(const PullRequest& request) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    return salver::PullAll(*snapshot, request, ReadContext());
  }

  Result<SavedDataset> CreateSavedDataset(RetrievalJob* job, const SavedDataset& dataset,
                                          bool allow_overwrite) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Reload());
    const bool is_new = !FindSavedDataset(snapshot->proto(), project(), dataset.name).ok();
    if (dataset.name.empty()) return Status::InvalidArgument("a saved dataset needs a name.");
    if (!is_new && !allow_overwrite) {
      return Status::AlreadyExists("saved dataset \"" + dataset.name + "\" is in project \"" + project() +
                                   "\" already. Give another name, or allow to overwrite it.");
    }
    SavedDataset saved = dataset;
    if (saved.storage.store.empty()) saved.storage.store = "file";
    saved.storage.name = dataset.name;
    const RetrievalMetadata& about = job->metadata();
    saved.features = about.features;
    saved.join_keys = about.join_keys;
    saved.full_feature_names = about.full_feature_names;
    saved.min_event_us = about.min_event_us;
    saved.max_event_us = about.max_event_us;
    SALVER_RETURN_NOT_OK(job->Persist(saved.storage, allow_overwrite));
    const auto registered = registry_->Update([&](feast::core::Registry* registry) {
      PutSavedDataset(saved, project(), Clock::System()->NowMicros(), registry);
      return Status::OK();
    });
    if (!registered.ok()) {
      if (!allow_overwrite) (void)offline_->Drop(saved.storage);  // the first error is the one to tell
      return registered.status();
    }
    return FindSavedDataset(**registered, project(), dataset.name);
  }

  Result<SavedDataset> GetSavedDataset(const std::string& name) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Reload());
    return FindSavedDataset(snapshot->proto(), project(), name);
  }
  Result<std::vector<SavedDataset>> ListSavedDatasets() override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Reload());
    return SavedDatasets(snapshot->proto(), project());
  }
  Result<std::shared_ptr<arrow::RecordBatchReader>> ReadSavedDataset(const std::string& name) override {
    SALVER_ASSIGN(const SavedDataset dataset, GetSavedDataset(name));
    return PullAllOf(dataset.storage, {}, ReadContext());
  }
  Status DeleteSavedDataset(const std::string& name) override {
    return registry_
        ->Update(
            [&](feast::core::Registry* registry) { return RemoveSavedDataset(project(), name, registry); })
        .status();
  }

  std::string_view online_store_type() const override { return config_.online_store.type; }

  Result<OnlineResponse> GetOnlineFeatures(const OnlineRequest& request, Deadline deadline) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    SALVER_ASSIGN(OnlineServing* const serving, Serving());
    return serving->Get(snapshot, request, Clock::System()->NowMicros(), deadline);
  }

  Result<OnlineResponse> RetrieveOnlineDocuments(const DocumentRequest& request, Deadline deadline) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    SALVER_ASSIGN(OnlineServing* const serving, Serving());
    return serving->Search(snapshot, request, Clock::System()->NowMicros(), deadline);
  }

  Result<MaterializeReport> Materialize(const MaterializeOptions& options) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Reload());
    SALVER_ASSIGN(const MaterializeContext context, WriteContext());
    return salver::Materialize(*snapshot, options, context);
  }

  Status Push(std::string_view push_source, const arrow::Table& rows, PushTarget target) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    std::vector<std::shared_ptr<const FeatureView>> views;
    std::vector<std::string> sources;
    for (const auto& source : snapshot->data_sources()) {
      if (source->kind == DataSourceKind::kPush) sources.push_back(source->name);
    }
    for (const auto& view : snapshot->views()) {
      if (view->stream_source && view->stream_source->kind == DataSourceKind::kPush &&
          view->stream_source->name == push_source) {
        views.push_back(view);
      }
    }
    if (views.empty()) {
      return Status::NotFound("push source \"" + std::string(push_source) +
                                  "\" feeds no feature view of project \"" + config_.project + "\"." +
                                  NearestNameHint(push_source, sources),
                              Reason::kPushSourceNotFound);
    }
    // Everything is checked for every view before anything is written: a refusal leaves both stores as they
    // were.
    std::vector<ViewRows> prepared;
    MaterializeContext context;
    if (target != PushTarget::kOffline) {
      SALVER_ASSIGN(context, WriteContext());
      for (const auto& view : views) {
        SALVER_ASSIGN(auto view_rows, PrepareRows(view, rows));
        prepared.push_back(std::move(view_rows));
      }
    }
    if (target != PushTarget::kOnline) {
      SALVER_RETURN_NOT_OK(offline_->Append(*views[0]->batch_source, rows));
    }
    for (const ViewRows& view_rows : prepared) SALVER_RETURN_NOT_OK(WriteRows(view_rows, context));
    return Status::OK();
  }

  Status WriteToOfflineStore(std::string_view view_name, const arrow::Table& rows) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    SALVER_ASSIGN(const auto view, snapshot->GetView(view_name));
    if (!view->batch_source) {
      return Status::FailedPrecondition(
          "feature view \"" + view->name + "\" has no batch source, so it has no history to write to.",
          Reason::kBadSource);
    }
    return offline_->Append(*view->batch_source, rows);
  }

  Status WriteToOnlineStore(std::string_view view_name, const arrow::Table& rows) override {
    SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
    SALVER_ASSIGN(auto view, snapshot->GetView(view_name));
    SALVER_ASSIGN(const ViewRows prepared, PrepareRows(std::move(view), rows));
    SALVER_ASSIGN(const MaterializeContext context, WriteContext());
    return WriteRows(prepared, context);
  }

 private:
  // How long a snapshot is used before the registry file's identity is looked at again: one stat call.
  static constexpr std::chrono::milliseconds kRecheck{100};

  Result<Definitions> ReadDefinitions(const ApplyOptions& options) {
    Definitions definitions;
    if (!options.definitions_json.empty()) {
      SALVER_ASSIGN(definitions, ParseDefinitionsJson(options.definitions_json));
    } else {
      if (HasPythonDefinitions(config_.repository)) {
        SALVER_ASSIGN(const std::string json, EvaluatePythonDefinitions(config_.repository, config_.project));
        SALVER_ASSIGN(definitions, ParseDefinitionsJson(json));
      }
      SALVER_RETURN_NOT_OK(ReadYamlDefinitions(config_.repository, &definitions));
    }
    SourceSchemas schemas;
    if (!options.skip_source_validation) {
      schemas = [this](const feast::core::DataSource& source) { return ReadColumns(source, offline_.get()); };
    }
    SALVER_ASSIGN(const auto current, registry_->Load());
    RefuseGroupNames(*current, config_.project, &definitions);
    if (options.partial) KeepRegistered(*current, config_.project, options.deletes, &definitions);
    InferDefinitions(schemas, config_.project, &definitions);
    ValidateDefinitions(&definitions);
    SALVER_RETURN_NOT_OK(definitions.ToStatus());
    if (!options.skip_source_validation) CheckSqlViews(config_.project, offline_.get(), &definitions);
    SALVER_RETURN_NOT_OK(definitions.ToStatus());
    return definitions;
  }

  RetrievalContext ReadContext() const {
    return {.offline = offline_,
            .engine = engine_,
            .memory_limit_bytes = config_.memory_limit_bytes,
            .spill_folder = config_.spill_folder};
  }

  ApplyRules RulesFor(const ApplyOptions& options) const {
    return {config_.project, options.partial, Clock::System()->NowMicros(),
            config_.online_store.type == "sqlite" ? config_.online_store.path : "", options.deletes};
  }

  static std::vector<std::shared_ptr<const FeatureView>> OnlineViews(const RegistrySnapshot& snapshot) {
    std::vector<std::shared_ptr<const FeatureView>> views;
    for (const auto& view : snapshot.views()) {
      if (view->online && view->kind != FeatureViewKind::kOnDemand) views.push_back(view);
    }
    return views;
  }

  static std::vector<std::shared_ptr<const FeatureView>> Gone(const RegistrySnapshot& before,
                                                              const RegistrySnapshot& after) {
    std::vector<std::shared_ptr<const FeatureView>> gone;
    for (const auto& view : OnlineViews(before)) {
      const auto now = after.FindView(view->name);
      if (now == nullptr || !now->online) gone.push_back(view);
    }
    return gone;
  }

  // Of the services that are precomputed and can be, and have more than one view, whose rows are together
  // already. Definitions that can not be are refused before; registries that Feast wrote may have some, which
  // are read view by view.
  static std::vector<RowPack> Packs(const RegistrySnapshot& snapshot) {
    const auto same_key = [](const Field& a, const Field& b) { return a.name == b.name && a.type == b.type; };
    std::vector<RowPack> packs;
    for (const auto& service : snapshot.services()) {
      if (!service->precompute_online) continue;
      RowPack pack{service->name, {}};
      bool whole = true;
      for (const FeatureViewProjection& projection : service->projections) {
        auto view = snapshot.FindView(projection.view);
        whole =
            whole && view != nullptr && view->online && view->kind != FeatureViewKind::kOnDemand &&
            projection.join_key_map == service->projections[0].join_key_map &&
            (pack.views.empty() || std::ranges::equal(view->join_keys, pack.views[0]->join_keys, same_key));
        if (whole && std::find(pack.views.begin(), pack.views.end(), view) == pack.views.end())
          pack.views.push_back(std::move(view));
      }
      if (whole && pack.views.size() > 1) packs.push_back(std::move(pack));
    }
    return packs;
  }

  // Opened at first need and kept; null when the configuration has none.
  Result<std::shared_ptr<OnlineStore>> OpenOnlineStore() {
    std::lock_guard lock(store_mutex_);
    if (online_store_ != nullptr || config_.online_store.type.empty()) return online_store_;
    SALVER_ASSIGN(std::shared_ptr<OnlineStore> store, salver::OpenOnlineStore(config_.online_store));
    if (!store->capabilities().persistent) {  // what was applied before is not in it
      SALVER_ASSIGN(const SnapshotPtr snapshot, Snapshot());
      SALVER_RETURN_NOT_OK(store->Apply(OnlineViews(*snapshot), {}));
    }
    serving_ = std::make_unique<OnlineServing>(
        store, ServingOptions{.entity_key_version = config_.entity_key_version,
                              .serve_expired_values = config_.serve_expired_values});
    online_store_ = std::move(store);
    open_serving_ = serving_.get();
    return online_store_;
  }

  Status NoOnlineStore() const {
    return Status::FailedPrecondition(
        "project \"" + config_.project +
            "\" has no online store. Name one in feature_store.yaml: online_store: {type: lmdb}.",
        Reason::kBadConfig);
  }

  Result<OnlineServing*> Serving() {
    if (OnlineServing* const open = open_serving_) return open;
    SALVER_ASSIGN(const auto store, OpenOnlineStore());
    if (store == nullptr) return NoOnlineStore();
    return open_serving_.load();
  }

  Result<MaterializeContext> WriteContext() {
    SALVER_ASSIGN(const auto store, OpenOnlineStore());
    if (store == nullptr) return NoOnlineStore();
    return MaterializeContext{.offline = offline_.get(),
                              .project = config_.project,
                              .registry = registry_.get(),
                              .online_store = store.get(),
                              .engine = engine_.get(),
                              .entity_key_version = config_.entity_key_version,
                              .memory_limit_bytes = config_.memory_limit_bytes,
                              .spill_folder = config_.spill_folder};
  }

  const RepoConfig config_;
  const std::shared_ptr<ComputeEngine> engine_;
  const std::shared_ptr<OfflineStore> offline_;
  const std::unique_ptr<Registry> registry_;
  std::mutex reload_mutex_;
  Published<const RegistrySnapshot> snapshot_;
  std::atomic<std::chrono::steady_clock::time_point> snapshot_checked_{};
  std::mutex store_mutex_;
  std::shared_ptr<OnlineStore> online_store_;
  std::unique_ptr<OnlineServing> serving_;
  std::atomic<OnlineServing*> open_serving_{nullptr};  // which is not replaced
};

}  // namespace

Result<std::unique_ptr<FeatureStore>> FeatureStore::Open(const std::string& repository,
                                                         const OpenOptions& options) {
  SALVER_ASSIGN(RepoConfig config, LoadRepoConfig(repository, options.config_file, options.log_level));
  SALVER_RETURN_NOT_OK(ConfigureLog(config.log));
  return NewLoggedFeatureStore(std::make_unique<LocalFeatureStore>(std::move(config), options.engine));
}

}  // namespace salver
