// A repository with two rows in its online store, behind a real server, for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "salver/feature_store.h"
#include "server/http_server.h"
#include "server/test_client.h"

namespace salver {

// A real store whose materialization does what the test says instead, and whose reads, searches and writes do
// it before: how tests make a request slow.
class HookedStore final : public FeatureStore {
 public:
  explicit HookedStore(std::unique_ptr<FeatureStore> store) : store_(std::move(store)) {}

  // Set before the server starts; called from its threads.
  std::function<void()> on_materialize, on_read, on_search, on_write;

  const std::string& project() const override { return store_->project(); }
  const std::string& repository() const override { return store_->repository(); }
  Result<std::shared_ptr<const RegistrySnapshot>> Snapshot() override { return store_->Snapshot(); }
  Result<std::shared_ptr<const RegistrySnapshot>> Reload() override { return store_->Reload(); }
  Result<ApplyReport> Plan(const ApplyOptions& options) override { return store_->Plan(options); }
  Result<ApplyReport> Apply(const ApplyOptions& options) override { return store_->Apply(options); }
  Status Teardown() override { return store_->Teardown(); }
  Result<std::unique_ptr<RetrievalJob>> GetHistoricalFeatures(const HistoricalRequest& request) override {
    return store_->GetHistoricalFeatures(request);
  }
  Result<OnlineResponse> GetOnlineFeatures(const OnlineRequest& request, Deadline deadline) override {
    if (on_read) on_read();
    return store_->GetOnlineFeatures(request, deadline);
  }
  Result<OnlineResponse> RetrieveOnlineDocuments(const DocumentRequest& request, Deadline deadline) override {
    if (on_search) on_search();
    return store_->RetrieveOnlineDocuments(request, deadline);
  }
  std::string_view online_store_type() const override { return store_->online_store_type(); }
  Result<MaterializeReport> Materialize(const MaterializeOptions& options) override {
    if (!on_materialize) return store_->Materialize(options);
    on_materialize();
    return MaterializeReport();
  }
  Status Push(std::string_view push_source, const arrow::Table& rows, PushTarget target) override {
    if (on_write) on_write();
    return store_->Push(push_source, rows, target);
  }
  Status WriteToOnlineStore(std::string_view view, const arrow::Table& rows) override {
    if (on_write) on_write();
    return store_->WriteToOnlineStore(view, rows);
  }
  Status WriteToOfflineStore(std::string_view view, const arrow::Table& rows) override {
    return store_->WriteToOfflineStore(view, rows);
  }
  Result<std::shared_ptr<arrow::RecordBatchReader>> PullLatest(const PullRequest& request) override {
    return store_->PullLatest(request);
  }
  Result<std::shared_ptr<arrow::RecordBatchReader>> PullAll(const PullRequest& request) override {
    return store_->PullAll(request);
  }
  Result<SavedDataset> CreateSavedDataset(RetrievalJob* job, const SavedDataset& dataset,
                                          bool allow_overwrite) override {
    return store_->CreateSavedDataset(job, dataset, allow_overwrite);
  }
  Result<SavedDataset> GetSavedDataset(const std::string& name) override {
    return store_->GetSavedDataset(name);
  }
  Result<std::vector<SavedDataset>> ListSavedDatasets() override { return store_->ListSavedDatasets(); }
  Result<std::shared_ptr<arrow::RecordBatchReader>> ReadSavedDataset(const std::string& name) override {
    return store_->ReadSavedDataset(name);
  }
  Status DeleteSavedDataset(const std::string& name) override { return store_->DeleteSavedDataset(name); }

 private:
  const std::unique_ptr<FeatureStore> store_;
};

// Drivers 1 and 2 of view "stats" (score, trips, city), which service "ranking" serves. Push source
// "stats_push" feeds "stats" and "totals" (trips, total).
class ServingFixture : public ::testing::Test {
 protected:
  static constexpr std::string_view kRead = R"({"feature_service":"ranking","entities":{"driver_id":[1,2]}})";
  static constexpr std::string_view kAnswer =
      R"({"results":[{"values":[1,2],"statuses":["PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},{"values":[0.5,0.25],"statuses":["PRESENT","PRESENT"],"event_timestamps":["2026-01-01T00:00:00Z","2026-01-02T00:00:00Z"]},{"values":[10,20],"statuses":["PRESENT","PRESENT"],"event_timestamps":["2026-01-01T00:00:00Z","2026-01-02T00:00:00Z"]},{"values":["Oslo","Rome"],"statuses":["PRESENT","PRESENT"],"event_timestamps":["2026-01-01T00:00:00Z","2026-01-02T00:00:00Z"]}],"metadata":{"feature_names":["driver_id","score","trips","city"]}})";

  ServingFixture();
  ~ServingFixture() override;

  // Starts the server with these options, on a free port of this machine.
  void Serve(HttpServerOptions options = {});
  int port() const { return server_->port(); }
  void WriteDefinitions(std::string_view yaml) const;
  static std::string_view Definitions();

  std::string folder_;
  std::unique_ptr<HookedStore> store_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace salver
