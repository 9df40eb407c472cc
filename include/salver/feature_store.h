// FeatureStore is one repository opened: its configuration, registry, sources and online store behind the
// verbs that people know from Feast.
//
//   auto store = salver::FeatureStore::Open("feature_repo");
//   auto applied = (*store)->Apply({});
//   auto job = (*store)->GetHistoricalFeatures({.entities = labels, .features = {"driver_stats:conv_rate"}});
//
// Thread safety: all methods from any thread. A call sees one registry version from start to end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "salver/deadline.h"
#include "salver/document_request.h"
#include "salver/log.h"
#include "salver/online_request.h"
#include "salver/registry_snapshot.h"
#include "salver/retrieval.h"
#include "salver/saved_dataset.h"
#include "salver/status.h"

namespace arrow {
class RecordBatchReader;
class Table;
}  // namespace arrow

namespace salver {

class ComputeEngine;

struct OpenOptions {
  std::string config_file;                // empty: <repository>/feature_store.yaml
  std::shared_ptr<ComputeEngine> engine;  // runs plans; null: the engine of this process
  LogLevel log_level = LogLevel::kWarn;   // where neither feature_store.yaml nor SALVER_LOG names one
};

// A change of one object that apply makes, for people and programs.
struct ObjectChange {
  enum class Kind { kCreated, kUpdated, kDeleted };
  struct Property {
    std::string name, before, after;
  };
  Kind kind;
  std::string type;  // "feature view", "entity", "data source", ...
  std::string name;
  std::vector<Property> properties;
  std::string stored_data;  // what it means for rows already stored; empty: nothing
};

struct ApplyReport {
  std::vector<ObjectChange> changes;  // definitions
  std::vector<std::string> infra;     // "Created sqlite table quickstart_driver_hourly_stats"
};

struct ApplyOptions {
  bool skip_source_validation = false;  // sources are not opened; nothing can be inferred from them
  // Definitions in the JSON that the Python package prints; empty: read the repository's *.py and *.yaml.
  std::string definitions_json;
  bool partial = false;           // true: objects that the definitions lack stay (the SDK's apply)
  std::set<std::string> deletes;  // with partial: "feature_view:trips", objects that go all the same
};

struct MaterializeProgress {
  std::string view;
  int64_t rows_done = 0;
  int64_t rows_total = 0;  // 0 while unknown
  bool view_done = false;
  int64_t views_done = 0, views_begun = 0, views_total = 0;
  int64_t all_rows_done = 0, all_rows_total = 0;  // of the views that are begun
};

struct MaterializeOptions {
  std::optional<int64_t> start_us;  // none: incremental
  int64_t end_us = 0;
  std::vector<std::string> views;                               // empty: every online view
  bool disable_event_timestamp = false;                         // from 1970 until now
  std::function<void(const MaterializeProgress&)> on_progress;  // called from one thread at a time
  int64_t memory_limit_bytes = 0;                               // 0: memory_limit of feature_store.yaml
  int threads = 0;                                              // 0: one a core
};

struct MaterializeReport {
  struct View {
    std::string name;
    TimeInterval interval;
    int64_t rows_read = 0;
    int64_t rows_written = 0;  // 0 is said, not hidden
    int64_t rows_older = 0;    // lost to newer rows already stored
    int64_t rows_resumed = 0;  // of those above: durable already when this run began, by one that was stopped
  };
  std::vector<View> views;
};

// What to read of one source, for all time where no bound is given.
struct PullRequest {
  std::string source;                            // name of a data source of the project
  std::vector<std::string> join_keys, features;  // columns of the source; features empty: all others
  std::optional<int64_t> start_us, end_us;       // of the event time, both included
};

enum class PushTarget { kOnline, kOffline, kOnlineAndOffline };

class FeatureStore {
 public:
  virtual ~FeatureStore() = default;

  // Reads <repository>/feature_store.yaml; opens nothing else yet.
  // Errors: NotFound, InvalidArgument (kBadConfig) naming file, line and key.
  static Result<std::unique_ptr<FeatureStore>> Open(const std::string& repository,
                                                    const OpenOptions& options = {});

  virtual const std::string& project() const = 0;
  virtual const std::string& repository() const = 0;

  // The newest registry version. Reload asks the registry again now; Snapshot may be as old as its cache
  // time.
  virtual Result<std::shared_ptr<const RegistrySnapshot>> Snapshot() = 0;
  virtual Result<std::shared_ptr<const RegistrySnapshot>> Reload() = 0;

  // What Apply would do. Both report every problem of the definitions at once (kBadDefinition).
  virtual Result<ApplyReport> Plan(const ApplyOptions& options) = 0;
  virtual Result<ApplyReport> Apply(const ApplyOptions& options) = 0;
  // Drops online tables and the registry. Idempotent.
  virtual Status Teardown() = 0;

  virtual Result<std::unique_ptr<RetrievalJob>> GetHistoricalFeatures(const HistoricalRequest& request) = 0;
  virtual Result<OnlineResponse> GetOnlineFeatures(const OnlineRequest& request, Deadline deadline) = 0;
  // The rows of a view that are nearest to a vector, or hold words. Expired rows are not found, unless
  // expired_values is serve. Errors: those of GetOnlineFeatures and OnlineStore::Search; InvalidArgument for
  // features of several views, and for a view without a vector index.
  virtual Result<OnlineResponse> RetrieveOnlineDocuments(const DocumentRequest& request,
                                                         Deadline deadline) = 0;
  // "lmdb", "redis": as in feature_store.yaml; empty without one.
  virtual std::string_view online_store_type() const { return ""; }

  // Each view's interval is recorded after its rows are durable. A failed or killed run claims nothing it has
  // not written; the next one goes on behind the rows that are durable.
  virtual Result<MaterializeReport> Materialize(const MaterializeOptions& options) = 0;

  // All views fed by the push source. Rows are readable online when this returns.
  virtual Status Push(std::string_view push_source, const arrow::Table& rows, PushTarget target) = 0;
  virtual Status WriteToOnlineStore(std::string_view view, const arrow::Table& rows) = 0;
  // Adds rows to the history behind the view: exactly its source's columns, in any order. They survive power
  // loss when this returns OK; after an error none of them is there.
  virtual Status WriteToOfflineStore(std::string_view view, const arrow::Table& rows) = 0;

  // Rows of a source as a stream of batches: the newest of each key, or all in the source's order. The stream
  // reads as it is read and holds a few row groups.
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> PullLatest(const PullRequest& request) = 0;
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> PullAll(const PullRequest& request) = 0;

  // Runs the job, keeps its rows in dataset.storage and registers them; what the job knows of itself is
  // filled in. After an error nothing is registered. Errors: those of RetrievalJob::Persist; AlreadyExists
  // for the name of another dataset, unless `allow_overwrite`.
  virtual Result<SavedDataset> CreateSavedDataset(RetrievalJob* job, const SavedDataset& dataset,
                                                  bool allow_overwrite) = 0;
  // Errors: NotFound (kObjectNotFound) with the nearest name.
  virtual Result<SavedDataset> GetSavedDataset(const std::string& name) = 0;
  virtual Result<std::vector<SavedDataset>> ListSavedDatasets() = 0;
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> ReadSavedDataset(const std::string& name) = 0;
  // From the registry; the rows stay where they are.
  virtual Status DeleteSavedDataset(const std::string& name) = 0;
};

}  // namespace salver
