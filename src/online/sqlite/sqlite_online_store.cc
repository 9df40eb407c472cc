// Feast's SQLite layout to the byte: table {project}_{view}, one row per (entity_key, feature_name), the
// value as serialized feast.types.Value, times as whole Unix seconds. Feast reads what is written here and
// the reverse.
//
// Newest-wins is the upsert's WHERE clause, so it is decided under SQLite's write lock. Whole seconds are all
// the layout can hold: two rows of the same second count as equal, and the later write stays.
#include <atomic>
#include <mutex>
#include <optional>

#include "base/files.h"
#include "online/batch_rows.h"
#include "online/online_stores.h"
#include "online/row_packer.h"
#include "online/sqlite/sqlite_connection.h"
#include "online/sqlite/sqlite_load.h"
#include "online/sqlite/sqlite_row_cache.h"
#include "online/sqlite/sqlite_rows.h"
#include "online/sqlite/sqlite_search.h"
#include "online/sqlite/sqlite_text_index.h"

namespace salver {
namespace {

class SqliteOnlineStore final : public OnlineStore {
 public:
  explicit SqliteOnlineStore(SqliteOptions options) : options_(std::move(options)) {
    if (options_.row_cache_mb > 0) cache_.emplace(static_cast<size_t>(options_.row_cache_mb) << 20);
  }

  Status Open() {
    broken_ = false;
    SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(FolderOf(options_.path)));
    SALVER_ASSIGN(auto connection, Connect(/*create=*/true));
    // Readers go on while one writes. Feast opens a database in this mode as any other.
    SALVER_RETURN_NOT_OK(connection->Run("PRAGMA journal_mode = WAL"));
    Return(std::move(connection));
    return Status::OK();
  }

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    uint64_t generation;
    SALVER_ASSIGN(auto connection, Take(&generation));
    SALVER_RETURN_NOT_OK(connection->BeginReading());  // one moment for all views
    auto answers = ReadInTransaction(connection.get(), generation, reads, deadline);
    if (connection->EndReading().ok()) Return(std::move(connection));
    return answers;
  }

  Result<OnlineHits> Search(const OnlineSearch& search, Deadline deadline) override {
    SALVER_RETURN_NOT_OK(CheckEnabled(search));
    SALVER_ASSIGN(NearestRows nearest, NearestRows::Make(search));
    SALVER_ASSIGN(auto connection, Take());
    SALVER_RETURN_NOT_OK(connection->BeginReading());  // the rows that are found are those that are answered
    OnlineHits hits;
    Status status = SearchSqlite(connection.get(), TableName(*search.view), search, &nearest, deadline);
    if (status.ok()) {
      hits = nearest.Take();
      const std::vector<std::string_view> keys(hits.keys.begin(), hits.keys.end());
      const OnlineRead read{search.view, keys, search.columns};
      hits.rows = OnlineRows::Absent(keys.size(), read.columns.size(), std::make_shared<ByteArena>());
      SqliteRowCache::Share none;
      RowDeadline row_deadline(deadline);
      status = ReadSqliteRows(connection.get(), options_.project, read, &row_deadline, &none, &hits.rows);
    }
    if (!status.ok()) return status;
    if (connection->EndReading().ok()) Return(std::move(connection));
    return hits;
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    SALVER_ASSIGN(const PackedBatch packed, PackRows(view, batch, newest.rows));
    SALVER_ASSIGN(const auto load, BeginLoad({}));
    if (deadline.Passed()) return DeadlinePassed(view, "writing");
    SALVER_ASSIGN(WriteCounts counts, load->Write(view, packed.view()));
    SALVER_RETURN_NOT_OK(load->Commit());
    counts.older += newest.older;
    return counts;
  }

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>>) override {
    std::unique_lock writer(write_mutex_);
    SALVER_ASSIGN(auto connection, Take());
    auto load = std::make_unique<SqliteLoad>(
        options_.project, options_.vectors, std::move(writer), std::move(connection),
        [this](std::unique_ptr<SqliteConnection> done) { Return(std::move(done)); });
    SALVER_RETURN_NOT_OK(load->Begin());
    return std::unique_ptr<OnlineLoad>(std::move(load));
  }

  Result<std::string> ReadMark(const FeatureView& view) override {
    SALVER_ASSIGN(auto connection, Take());
    const auto prepared =
        connection->Prepare("SELECT value FROM " + Table(view) + std::string(kSqliteMarkIs));
    if (!prepared.ok()) return connection->MissesTable() ? UnknownView(view, type()) : prepared.status();
    const int step = sqlite3_step(*prepared);
    if (step != SQLITE_ROW && step != SQLITE_DONE) return connection->Error("can not read");
    std::string mark(step == SQLITE_ROW ? ColumnBytes(*prepared, 0) : std::string_view());
    sqlite3_reset(*prepared);
    Return(std::move(connection));
    return mark;
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(FolderOf(options_.path)));
    ForgetConnections();  // prepared statements would hold on to dropped tables
    SALVER_ASSIGN(auto connection, Connect(/*create=*/true));
    SALVER_RETURN_NOT_OK(connection->Begin());
    for (const auto& view : drop) {
      SALVER_RETURN_NOT_OK(FitSqliteTextIndex(connection.get(), TableName(*view), *view, false));
      SALVER_RETURN_NOT_OK(connection->Run("DROP TABLE IF EXISTS " + Table(*view)));
    }
    for (const auto& view : keep) {
      SALVER_RETURN_NOT_OK(connection->Run("CREATE TABLE IF NOT EXISTS " + Table(*view) +
                                           " (entity_key BLOB, feature_name TEXT, value BLOB, value_text "
                                           "TEXT,  vector_value BLOB, event_ts timestamp, "
                                           "created_ts timestamp,  PRIMARY KEY(entity_key, feature_name))"));
      SALVER_RETURN_NOT_OK(connection->Run("CREATE INDEX IF NOT EXISTS " +
                                           QuotedName(TableName(*view) + "_ek") + " ON " + Table(*view) +
                                           " (entity_key)"));
      SALVER_RETURN_NOT_OK(
          FitSqliteTextIndex(connection.get(), TableName(*view), *view, options_.text_search));
    }
    SALVER_RETURN_NOT_OK(connection->Commit());
    Return(std::move(connection));
    return Status::OK();
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    if (Files::System()->Identify(options_.path).status().code() == StatusCode::kNotFound)
      return Status::OK();
    SALVER_RETURN_NOT_OK(Apply({}, views));
    bool empty;
    {
      SALVER_ASSIGN(auto connection, Take());
      SALVER_ASSIGN(sqlite3_stmt* const statement,
                    connection->Prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table'"));
      empty = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int64(statement, 0) == 0;
    }
    ForgetConnections();
    if (!empty) return Status::OK();
    for (const char* suffix : {"", "-wal", "-shm"})
      SALVER_RETURN_NOT_OK(Files::System()->Remove(options_.path + suffix));
    return Status::OK();
  }

  OnlineCapabilities capabilities() const override {
    return {.persistent = true,
            .views = true,
            .created_times = true,
            .transactions = true,
            .atomic_rows = true,
            .drop = true,
            .vectors = options_.vectors,
            .text_search = options_.text_search};
  }
  std::string_view durability() const override {
    return "an acknowledged row survives power loss: its transaction was synced to disk";
  }
  std::string_view type() const override { return "sqlite"; }

 private:
  Result<std::vector<OnlineRows>> ReadInTransaction(SqliteConnection* connection, uint64_t generation,
                                                    std::span<const OnlineRead> reads, Deadline deadline) {
    SqliteRowCache::Share share;
    if (cache_) {
      SALVER_ASSIGN(const bool new_commits, connection->SeesNewCommits());
      share = cache_->Join(generation, new_commits);
    }
    std::vector<OnlineRows> answers;
    answers.reserve(reads.size());
    const auto arena = std::make_shared<ByteArena>();
    RowDeadline row_deadline(deadline);
    for (const OnlineRead& read : reads) {
      answers.push_back(OnlineRows::Absent(read.keys.size(), read.columns.size(), arena));
      SALVER_RETURN_NOT_OK(
          ReadSqliteRows(connection, options_.project, read, &row_deadline, &share, &answers.back()));
    }
    return answers;
  }

  Status CheckEnabled(const OnlineSearch& search) const {
    const bool vector = !search.query.empty() && !options_.vectors;
    if (!vector && (search.text.empty() || options_.text_search)) return Status::OK();
    return Status::FailedPrecondition(
        std::string(vector ? "vector" : "text") + " search is not enabled in sqlite online store \"" +
            options_.path + "\". Say " + (vector ? "vector_enabled" : "text_search_enabled") +
            ": true under online_store in feature_store.yaml, and run `salver apply`.",
        Reason::kBadConfig);
  }

  std::string TableName(const FeatureView& view) const { return options_.project + "_" + view.name; }
  std::string Table(const FeatureView& view) const { return SqliteTable(options_.project, view); }

  // A connection of the pool, or a new one, to the file that the path has now. `generation`: of the cache,
  // when the connection was taken.
  Result<std::unique_ptr<SqliteConnection>> Take(uint64_t* generation) {
    std::unique_ptr<SqliteConnection> connection;
    while (connection == nullptr || connection->HasMoved()) {
      connection.reset();  // closed before another one is opened
      std::lock_guard lock(pool_mutex_);
      *generation = cache_ ? cache_->generation() : 0;
      if (pool_.empty()) break;
      connection = std::move(pool_.back());
      pool_.pop_back();
    }
    return connection != nullptr ? std::move(connection) : Connect(/*create=*/false);
  }
  Result<std::unique_ptr<SqliteConnection>> Take() {
    uint64_t generation;
    return Take(&generation);
  }
  Result<std::unique_ptr<SqliteConnection>> Connect(bool create) {
    auto connection = std::make_unique<SqliteConnection>(options_.path, &broken_);
    SALVER_RETURN_NOT_OK(connection->Open(create));
    std::lock_guard lock(pool_mutex_);
    if (connection->inode() != pooled_inode_) {
      pooled_inode_ = connection->inode();
      pool_.clear();
      if (cache_) cache_->Raise();
    }
    return connection;
  }
  void Return(std::unique_ptr<SqliteConnection> connection) {
    std::lock_guard lock(pool_mutex_);
    if (connection->inode() == pooled_inode_) pool_.push_back(std::move(connection));
  }
  void ForgetConnections() {
    std::lock_guard lock(pool_mutex_);
    pool_.clear();
  }

  const SqliteOptions options_;
  // One writer of this process at a time: the others wait here, not in SQLite's busy loop.
  std::mutex write_mutex_;
  // After a sync that failed nobody knows what the disk has: nothing is written until the store is opened
  // again.
  std::atomic<bool> broken_{false};
  // The pool has connections to one file at a time, that of the last one that was opened. With each other
  // file the cache begins a generation, so readers of two files never share one, not even while a file is
  // away and back again.
  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<SqliteConnection>> pool_;
  uint64_t pooled_inode_ = 0;
  std::optional<SqliteRowCache> cache_;  // none: row_cache_mb is 0
};

}  // namespace

Result<std::unique_ptr<OnlineStore>> OpenSqliteOnlineStore(const SqliteOptions& options) {
  auto store = std::make_unique<SqliteOnlineStore>(options);
  SALVER_RETURN_NOT_OK(store->Open());
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace salver
