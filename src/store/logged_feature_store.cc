#include "store/logged_feature_store.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>

#include "salver/log.h"

namespace salver {
namespace {

using SnapshotPtr = std::shared_ptr<const RegistrySnapshot>;
using RowStream = std::shared_ptr<arrow::RecordBatchReader>;

const char* TargetName(PushTarget target) {
  switch (target) {
    case PushTarget::kOnline:
      return "online";
    case PushTarget::kOffline:
      return "offline";
    case PushTarget::kOnlineAndOffline:
      return "online_and_offline";
  }
  return "";
}

class LoggedFeatureStore final : public FeatureStore {
 public:
  explicit LoggedFeatureStore(std::unique_ptr<FeatureStore> store) : store_(std::move(store)) {}

  const std::string& project() const override { return store_->project(); }
  const std::string& repository() const override { return store_->repository(); }
  Result<SnapshotPtr> Snapshot() override { return store_->Snapshot(); }
  Result<SnapshotPtr> Reload() override { return store_->Reload(); }
  Result<ApplyReport> Plan(const ApplyOptions& options) override { return store_->Plan(options); }

  Result<ApplyReport> Apply(const ApplyOptions& options) override {
    return Logged(LogRoom::kRegistry, "apply", [&](LogLine* line) -> Result<ApplyReport> {
      SALVER_ASSIGN(ApplyReport report, store_->Apply(options));
      const auto add = [&](const char* name, ObjectChange::Kind kind) {
        line->Add(name, std::count_if(report.changes.begin(), report.changes.end(),
                                      [&](const ObjectChange& change) { return change.kind == kind; }));
      };
      add("created", ObjectChange::Kind::kCreated);
      add("updated", ObjectChange::Kind::kUpdated);
      add("deleted", ObjectChange::Kind::kDeleted);
      return report;
    });
  }
  Status Teardown() override {
    return Logged(LogRoom::kRegistry, "teardown", [&](LogLine*) { return store_->Teardown(); });
  }

  Result<std::unique_ptr<RetrievalJob>> GetHistoricalFeatures(const HistoricalRequest& request) override {
    return store_->GetHistoricalFeatures(request);
  }
  Result<OnlineResponse> GetOnlineFeatures(const OnlineRequest& request, Deadline deadline) override {
    return store_->GetOnlineFeatures(request, deadline);
  }
  Result<OnlineResponse> RetrieveOnlineDocuments(const DocumentRequest& request, Deadline deadline) override {
    return store_->RetrieveOnlineDocuments(request, deadline);
  }

  std::string_view online_store_type() const override { return store_->online_store_type(); }

  Result<MaterializeReport> Materialize(const MaterializeOptions& options) override {
    return Logged(LogRoom::kMaterialize, "materialize", [&](LogLine* line) -> Result<MaterializeReport> {
      SALVER_ASSIGN(MaterializeReport report, store_->Materialize(options));
      std::string views;
      int64_t rows_read = 0, rows_written = 0;
      for (const auto& view : report.views) {
        views += (views.empty() ? "" : ",") + view.name;
        rows_read += view.rows_read;
        rows_written += view.rows_written;
      }
      line->Add("views", views);
      line->Add("rows_read", rows_read);
      line->Add("rows_written", rows_written);
      return report;
    });
  }

  Status Push(std::string_view push_source, const arrow::Table& rows, PushTarget target) override {
    return Logged(LogRoom::kMaterialize, "push", [&](LogLine* line) {
      line->Add("push_source", push_source);
      line->Add("to", TargetName(target));
      line->Add("rows", rows.num_rows());
      return store_->Push(push_source, rows, target);
    });
  }
  Status WriteToOnlineStore(std::string_view view, const arrow::Table& rows) override {
    return Logged(LogRoom::kMaterialize, "write_to_online_store", [&](LogLine* line) {
      line->Add("view", view);
      line->Add("rows", rows.num_rows());
      return store_->WriteToOnlineStore(view, rows);
    });
  }
  Status WriteToOfflineStore(std::string_view view, const arrow::Table& rows) override {
    return Logged(LogRoom::kMaterialize, "write_to_offline_store", [&](LogLine* line) {
      line->Add("view", view);
      line->Add("rows", rows.num_rows());
      return store_->WriteToOfflineStore(view, rows);
    });
  }

  // The time of both is that of opening: the rows are read as the caller asks for them.
  Result<RowStream> PullLatest(const PullRequest& request) override {
    return Logged(LogRoom::kRetrieval, "pull_latest", [&](LogLine* line) {
      line->Add("source", request.source);
      return store_->PullLatest(request);
    });
  }
  Result<RowStream> PullAll(const PullRequest& request) override {
    return Logged(LogRoom::kRetrieval, "pull_all", [&](LogLine* line) {
      line->Add("source", request.source);
      return store_->PullAll(request);
    });
  }

  Result<SavedDataset> CreateSavedDataset(RetrievalJob* job, const SavedDataset& dataset,
                                          bool allow_overwrite) override {
    return Logged(LogRoom::kRegistry, "create_saved_dataset", [&](LogLine* line) {
      line->Add("dataset", dataset.name);
      line->Add("features", static_cast<int64_t>(job->metadata().features.size()));
      return store_->CreateSavedDataset(job, dataset, allow_overwrite);
    });
  }
  Result<SavedDataset> GetSavedDataset(const std::string& name) override {
    return store_->GetSavedDataset(name);
  }
  Result<std::vector<SavedDataset>> ListSavedDatasets() override { return store_->ListSavedDatasets(); }
  Result<RowStream> ReadSavedDataset(const std::string& name) override {
    return Logged(LogRoom::kRetrieval, "read_saved_dataset", [&](LogLine* line) {
      line->Add("dataset", name);
      return store_->ReadSavedDataset(name);
    });
  }
  Status DeleteSavedDataset(const std::string& name) override {
    return Logged(LogRoom::kRegistry, "delete_saved_dataset", [&](LogLine* line) {
      line->Add("dataset", name);
      return store_->DeleteSavedDataset(name);
    });
  }

 private:
  const std::unique_ptr<FeatureStore> store_;
};

}  // namespace

std::unique_ptr<FeatureStore> NewLoggedFeatureStore(std::unique_ptr<FeatureStore> store) {
  return std::make_unique<LoggedFeatureStore>(std::move(store));
}

}  // namespace salver
