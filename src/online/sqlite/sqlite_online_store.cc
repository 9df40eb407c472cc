// Feast's SQLite layout to the byte: table {project}_{view}, one row per (entity_key, feature_name), the
// value as serialized feast.types.Value, times as whole Unix seconds. Feast reads what is written here and
// the reverse.
//
// Newest-wins is the upsert's WHERE clause, so it is decided under SQLite's write lock. Whole seconds are all
// the layout can hold: two rows of the same second count as equal, and the later write stays.
#include <arrow/record_batch.h>
#include <sqlite3.h>

#include <algorithm>
#include <cctype>
#include <mutex>

#include "base/files.h"
#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/online_stores.h"

namespace salver {
namespace {

int64_t FloorSeconds(int64_t micros) {
  return micros / 1'000'000 - (micros % 1'000'000 < 0 ? 1 : 0);
}

// A name as SQL. Plain ones stay as they are: that is how Feast's schema reads.
std::string Quoted(std::string_view name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  if (std::all_of(name.begin(), name.end(), plain) && !std::isdigit(static_cast<unsigned char>(name[0])))
    return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// One connection and its prepared statements; used by one thread at a time.
class Connection {
 public:
  explicit Connection(std::string path) : path_(std::move(path)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }

  Status Open() {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr) != SQLITE_OK) return Error("can not open");
    sqlite3_busy_timeout(db_, 10'000);
    return Run("PRAGMA synchronous = FULL");
  }

  Status Run(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return Status::OK();
    return Error("can not run \"" + sql.substr(0, 60) + "\"");
  }

  // The statement, reset; prepared once.
  Result<sqlite3_stmt*> Prepare(const std::string& sql) {
    sqlite3_stmt*& statement = statements_[sql];
    if (statement == nullptr && sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      statements_.erase(sql);
      return Error("can not prepare");
    }
    sqlite3_reset(statement);
    return statement;
  }

  bool MissesTable() const { return std::string_view(sqlite3_errmsg(db_)).starts_with("no such table"); }
  int changes() const { return sqlite3_changes(db_); }

  Status Error(std::string_view action) const {
    const std::string text =
        "sqlite online store \"" + path_ + "\": " + std::string(action) + ": " + sqlite3_errmsg(db_) + ".";
    switch (sqlite3_errcode(db_)) {
      case SQLITE_FULL:
        return Status::ResourceExhausted(text + " Free some space and run it again.");
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return Status::DataLoss(text + " Restore the file, or remove it, apply and materialize again.");
      default:
        return Status::Unavailable(text);
    }
  }

 private:
  const std::string path_;
  sqlite3* db_ = nullptr;
  std::map<std::string, sqlite3_stmt*> statements_;
};

void BindBlob(sqlite3_stmt* statement, int at, std::string_view bytes) {
  // A null pointer would bind NULL; the empty blob is a value of its own.
  sqlite3_bind_blob(statement, at, bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size()),
                    SQLITE_STATIC);
}

std::string_view ColumnBytes(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

// Feast's value_text: strings as they are, numbers in decimal, True and False; everything else has none.
bool ValueText(const OnlineCell& cell, ValueType type, std::string* text) {
  text->clear();
  if (cell.null()) return false;
  switch (type) {
    case ValueType::kString:
      text->assign(cell.bytes());
      return true;
    case ValueType::kBool:
      *text = cell.integer != 0 ? "True" : "False";
      return true;
    case ValueType::kInt32:
    case ValueType::kInt64:
      *text = std::to_string(cell.integer);
      return true;
    case ValueType::kFloat:
    case ValueType::kDouble:
      AppendJson(cell, type, text);
      return text->front() != '"';
    default:
      return false;
  }
}

class SqliteOnlineStore final : public OnlineStore {
 public:
  explicit SqliteOnlineStore(SqliteOptions options) : options_(std::move(options)) {}

  Status Open() {
    SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(FolderOf(options_.path)));
    SALVER_ASSIGN(auto connection, Take());
    // Readers go on while one writes. Feast opens a database in this mode as any other.
    SALVER_RETURN_NOT_OK(connection->Run("PRAGMA journal_mode = WAL"));
    Return(std::move(connection));
    return Status::OK();
  }

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    SALVER_ASSIGN(auto connection, Take());
    SALVER_RETURN_NOT_OK(connection->Run("BEGIN"));  // one moment for all views
    std::vector<OnlineRows> answers;
    Status status;
    for (const OnlineRead& read : reads) {
      answers.push_back(OnlineRows::Absent(read.keys.size(), read.columns.size()));
      status = ReadView(connection.get(), read, deadline, &answers.back());
      if (!status.ok()) break;
    }
    const Status ended = connection->Run("COMMIT");
    if (ended.ok()) Return(std::move(connection));
    if (!status.ok()) return status;
    return answers;
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    WriteCounts counts{.older = newest.older};
    std::lock_guard writer(write_mutex_);
    SALVER_ASSIGN(auto connection, Take());
    SALVER_RETURN_NOT_OK(connection->Run("BEGIN IMMEDIATE"));
    Status status = WriteRows(connection.get(), view, batch, newest, deadline, &counts);
    if (status.ok()) status = connection->Run("COMMIT");
    if (!status.ok()) {
      (void)connection->Run("ROLLBACK");  // the first error is the one to tell
      return status;
    }
    Return(std::move(connection));
    return counts;
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(FolderOf(options_.path)));
    ForgetConnections();  // prepared statements would hold on to dropped tables
    SALVER_ASSIGN(auto connection, Take());
    SALVER_RETURN_NOT_OK(connection->Run("BEGIN IMMEDIATE"));
    for (const auto& view : drop)
      SALVER_RETURN_NOT_OK(connection->Run("DROP TABLE IF EXISTS " + Table(*view)));
    for (const auto& view : keep) {
      SALVER_RETURN_NOT_OK(connection->Run("CREATE TABLE IF NOT EXISTS " + Table(*view) +
                                           " (entity_key BLOB, feature_name TEXT, value BLOB, value_text "
                                           "TEXT,  vector_value BLOB, event_ts timestamp, "
                                           "created_ts timestamp,  PRIMARY KEY(entity_key, feature_name))"));
      SALVER_RETURN_NOT_OK(connection->Run("CREATE INDEX IF NOT EXISTS " + Quoted(TableName(*view) + "_ek") +
                                           " ON " + Table(*view) + " (entity_key)"));
    }
    SALVER_RETURN_NOT_OK(connection->Run("COMMIT"));
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

  std::string_view durability() const override {
    return "an acknowledged row survives power loss: its transaction was synced to disk";
  }
  std::string_view type() const override { return "sqlite"; }

 private:
  std::string TableName(const FeatureView& view) const { return options_.project + "_" + view.name; }
  std::string Table(const FeatureView& view) const { return Quoted(TableName(view)); }

  Result<std::unique_ptr<Connection>> Take() {
    {
      std::lock_guard lock(pool_mutex_);
      if (!pool_.empty()) {
        auto connection = std::move(pool_.back());
        pool_.pop_back();
        return connection;
      }
    }
    auto connection = std::make_unique<Connection>(options_.path);
    SALVER_RETURN_NOT_OK(connection->Open());
    return connection;
  }
  void Return(std::unique_ptr<Connection> connection) {
    std::lock_guard lock(pool_mutex_);
    pool_.push_back(std::move(connection));
  }
  void ForgetConnections() {
    std::lock_guard lock(pool_mutex_);
    pool_.clear();
  }

  Status ReadView(Connection* connection, const OnlineRead& read, Deadline deadline, OnlineRows* rows) {
    if (deadline.Passed()) return DeadlinePassed(*read.view, "reading");
    const auto prepared = connection->Prepare("SELECT feature_name, value, event_ts, created_ts FROM " +
                                              Table(*read.view) + " WHERE entity_key = ?");
    if (!prepared.ok())
      return connection->MissesTable() ? UnknownView(*read.view, type()) : prepared.status();
    sqlite3_stmt* statement = *prepared;
    for (size_t row = 0; row < read.keys.size(); ++row) {
      if (read.keys[row].empty()) continue;
      sqlite3_reset(statement);
      BindBlob(statement, 1, read.keys[row]);
      int step;
      while ((step = sqlite3_step(statement)) == SQLITE_ROW)
        SALVER_RETURN_NOT_OK(TakeValue(statement, read, row, rows));
      if (step != SQLITE_DONE) return connection->Error("can not read");
    }
    sqlite3_reset(statement);
    return Status::OK();
  }

  // One stored feature. Any of them makes the row present; its time is the newest of its features'.
  static Status TakeValue(sqlite3_stmt* statement, const OnlineRead& read, size_t row, OnlineRows* rows) {
    const int64_t event_us = sqlite3_column_int64(statement, 2) * 1'000'000;
    if (!rows->present[row] || event_us > rows->event_us[row]) rows->event_us[row] = event_us;
    rows->present[row] = 1;
    if (sqlite3_column_type(statement, 3) != SQLITE_NULL) {
      rows->created_us[row] =
          std::max<int64_t>(rows->created_us[row], sqlite3_column_int64(statement, 3) * 1'000'000);
    }
    const std::string_view name = ColumnBytes(statement, 0);
    for (size_t column = 0; column < read.columns.size(); ++column) {
      const Field& feature = read.view->features[read.columns[column]];
      if (feature.name != name) continue;
      const std::string_view value = rows->arena->Copy(ColumnBytes(statement, 1));
      const Status status = DecodeValue(value, feature.type, &rows->at(row, column));
      if (!status.ok()) {
        return Status::DataLoss("feature view \"" + read.view->name + "\", feature \"" + feature.name +
                                "\": " + status.message());
      }
    }
    return Status::OK();
  }

  Status WriteRows(Connection* connection, const FeatureView& view, const OnlineBatch& batch,
                   const BatchRows& newest, Deadline deadline, WriteCounts* counts) {
    // NULL created times count as older than any. Compare as one tuple: (event, created) >= (stored event,
    // stored created).
    const auto prepared = connection->Prepare(
        "INSERT INTO " + Table(view) +
        " (entity_key, feature_name, value, value_text, event_ts, created_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT(entity_key, feature_name) DO UPDATE SET value = excluded.value, value_text = "
        "excluded.value_text,"
        " event_ts = excluded.event_ts, created_ts = excluded.created_ts"
        " WHERE (excluded.event_ts, ifnull(excluded.created_ts, -9223372036854775808))"
        " >= (event_ts, ifnull(created_ts, -9223372036854775808))");
    if (!prepared.ok()) return connection->MissesTable() ? UnknownView(view, type()) : prepared.status();
    sqlite3_stmt* statement = *prepared;
    std::string value, text;
    for (const uint32_t row : newest.rows) {
      if (deadline.Passed()) return DeadlinePassed(view, "writing");
      BindBlob(statement, 1, batch.keys[row]);
      sqlite3_bind_int64(statement, 5, FloorSeconds(batch.event_us[row]));
      const int64_t created = CreatedOf(batch, row);
      created == kNoCreatedTime ? sqlite3_bind_null(statement, 6)
                                : sqlite3_bind_int64(statement, 6, FloorSeconds(created));
      bool replaced = false;
      ByteArena arena;
      for (size_t i = 0; i < view.features.size(); ++i) {
        const Field& feature = view.features[i];
        OnlineCell cell;
        SALVER_RETURN_NOT_OK(
            CellOf(*batch.features->column(static_cast<int>(i)), row, feature.type, &arena, &cell));
        value.clear();
        AppendCellValue(cell, feature.type, &value);
        sqlite3_bind_text(statement, 2, feature.name.data(), static_cast<int>(feature.name.size()),
                          SQLITE_STATIC);
        BindBlob(statement, 3, value);
        ValueText(cell, feature.type, &text)
            ? sqlite3_bind_text(statement, 4, text.data(), static_cast<int>(text.size()), SQLITE_STATIC)
            : sqlite3_bind_null(statement, 4);
        if (sqlite3_step(statement) != SQLITE_DONE) return connection->Error("can not write");
        replaced = replaced || connection->changes() > 0;
        sqlite3_reset(statement);
      }
      ++(replaced ? counts->written : counts->older);
    }
    return Status::OK();
  }

  const SqliteOptions options_;
  std::mutex
      write_mutex_;  // one writer of this process at a time: the others wait here, not in SQLite's busy loop
  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<Connection>> pool_;
};

}  // namespace

Result<std::unique_ptr<OnlineStore>> OpenSqliteOnlineStore(const SqliteOptions& options) {
  auto store = std::make_unique<SqliteOnlineStore>(options);
  SALVER_RETURN_NOT_OK(store->Open());
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace salver
