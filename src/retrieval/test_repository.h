// A repository for tests: a folder of sources and the registry that names them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "offline/offline_stores.h"
#include "retrieval/historical.h"
#include "salver/feature_service.h"
#include "salver/feature_view.h"
#include "test/test_folder.h"

namespace arrow {
class Array;
class DataType;
class Table;
}  // namespace arrow

namespace feast::core {
class DataSource;
}

namespace salver {

struct TestView {
  std::string name;
  std::string path;  // of its source
  std::vector<Field> join_keys;
  std::vector<Field> features;
  int64_t ttl_us = 0;
  std::string event_column = "event_timestamp";
  std::string created_column;
  std::map<std::string, std::string> field_mapping;
  // Not empty: `features` are columns of the source, and the view's features are what these make of them.
  std::vector<Aggregation> aggregations;
};

class TestRepository;

// A way to keep the rows of a source. What the text cases run on; a kind of store adds its own to the list.
struct TestSourceKind {
  std::string name;
  // Writes the rows of a view's source, and says in `source` where they lie.
  std::function<void(const TestRepository& repository, const TestView& view, const arrow::Table& rows,
                     int64_t row_group_rows, feast::core::DataSource* source)>
      write;
  // What the store needs of the configuration; may be empty.
  std::function<void(OfflineStoreOptions* options)> configure = {};
};
const std::vector<TestSourceKind>& TestSourceKinds();

class TestRepository {
 public:
  TestRepository();
  // AddWithRows keeps rows in this way; `kind` outlives the repository.
  explicit TestRepository(const TestSourceKind& kind);
  // Reads from a folder that is there, and leaves it.
  explicit TestRepository(std::string folder);

  const std::string& folder() const { return folder_; }
  // Writes `table` to `path` under the folder, in row groups of that many rows.
  void Write(const arrow::Table& table, const std::string& path, int64_t row_group_rows) const;
  void WriteBytes(const std::string& bytes, const std::string& path) const;

  // The message changes until the first Snapshot.
  void Add(const TestView& view);  // of files at view.path
  void AddWithRows(const TestView& view, const arrow::Table& rows, int64_t row_group_rows);
  // A view made of the views `of`, or of the source of the view `over`: by SQL, or as they are when it is
  // empty.
  void AddMade(const TestView& view, const std::vector<std::string>& of, const std::string& over,
               const std::string& sql);
  void Add(const FeatureService& service);
  feast::core::Registry* registry() { return registry_.get(); }
  std::shared_ptr<const RegistrySnapshot> Snapshot() const;

  // One for the life of the repository: DuckDB and its extensions take a tenth of a second to open.
  std::shared_ptr<OfflineStore> Offline() const;
  // Of retrievals from now on, which spill into `folder`; empty: into one of the repository's.
  void LimitMemory(int64_t bytes, std::string folder) {
    memory_limit_ = bytes;
    spill_folder_ = std::move(folder);
  }

  // Of retrievals from now on: false runs plans as they were built.
  void OptimizePlans(bool optimize) { optimize_ = optimize; }
  // What retrievals from now on read through, around the repository's store.
  using StoreAround = std::function<std::shared_ptr<OfflineStore>(std::shared_ptr<OfflineStore> store)>;
  void ReadThrough(StoreAround around) { around_ = std::move(around); }
  // Retrievals from now on run on `engine`; the local one until then.
  void RunOn(std::shared_ptr<ComputeEngine> engine) { engine_ = std::move(engine); }

  Result<std::unique_ptr<RetrievalJob>> Plan(const HistoricalRequest& request, int threads) const;
  Result<std::shared_ptr<arrow::Table>> Retrieve(const HistoricalRequest& request, int threads = 2) const;

 private:
  feast::core::DataSource* AddView(const TestView& view);

  const TestSourceKind* kind_ = nullptr;
  std::optional<TestFolder> own_folder_;
  const std::string folder_;
  bool optimize_ = true;
  mutable std::shared_ptr<OfflineStore> offline_;
  StoreAround around_;
  std::shared_ptr<ComputeEngine> engine_;
  int64_t memory_limit_ = 0;
  std::string spill_folder_;
  std::shared_ptr<feast::core::Registry> registry_;
};

// Numbers cast to `type`; timestamps count microseconds. Throws when there is no such cast.
std::shared_ptr<arrow::Array> ColumnOf(const std::vector<std::optional<int64_t>>& numbers,
                                       const std::shared_ptr<arrow::DataType>& type);
std::shared_ptr<arrow::DataType> UtcMicros();

}  // namespace salver
