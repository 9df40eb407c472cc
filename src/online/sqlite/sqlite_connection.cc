#include "online/sqlite/sqlite_connection.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace salver {
namespace {

constexpr int64_t kMapBytes = 0x7fff0000;  // as much as SQLite maps where it was built with its own limit

}  // namespace

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Status SqliteConnection::Open(bool create) {
  // Looked at first: a file that is replaced meanwhile is found to be another one.
  auto identity = Files::System()->Identify(path_);
  if (!identity.ok() && !create) {
    if (identity.status().code() != StatusCode::kNotFound) return identity.status();
    return Status::NotFound(
        "sqlite online store \"" + path_ +
            "\" has no file any more. Run `salver apply`, which makes it, and materialize; or "
            "put the file back.",
        Reason::kViewNotFound);
  }
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  if (sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr) != SQLITE_OK) return Error("can not open");
  if (!identity.ok()) identity = Files::System()->Identify(path_);
  SALVER_ASSIGN(opened_, std::move(identity));
  sqlite3_busy_timeout(db_, 10'000);
  SALVER_RETURN_NOT_OK(Run("PRAGMA mmap_size = " + std::to_string(kMapBytes)));
  return Run("PRAGMA synchronous = FULL");
}

bool SqliteConnection::HasMoved() {
  const auto now = Files::System()->Identify(path_);
  if (!now.ok() || now->inode != opened_.inode || now->size < opened_.size) return true;
  opened_ = *now;
  return false;
}

Status SqliteConnection::Step(std::string_view sql) {
  SALVER_ASSIGN(sqlite3_stmt* const statement, Prepare(sql));
  const int step = sqlite3_step(statement);
  const Status status =
      step == SQLITE_DONE ? Status::OK() : Error("can not run \"" + std::string(sql) + "\"");
  sqlite3_reset(statement);
  return status;
}

Result<bool> SqliteConnection::SeesNewCommits() {
  // The pragma looks at the file. Its own answer leaves out what this connection commits, the pager's does
  // not.
  SALVER_ASSIGN(sqlite3_stmt* const statement, Prepare("PRAGMA data_version"));
  const bool looked = sqlite3_step(statement) == SQLITE_ROW;
  const Status status = looked ? Status::OK() : Error("can not read");
  sqlite3_reset(statement);
  SALVER_RETURN_NOT_OK(status);
  unsigned version;
  if (sqlite3_file_control(db_, "main", SQLITE_FCNTL_DATA_VERSION, &version) != SQLITE_OK)
    return Error("can not tell its version");
  return std::exchange(seen_version_, version) != version;
}

Status SqliteConnection::Run(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return Status::OK();
  return Error("can not run \"" + sql.substr(0, 60) + "\"");
}

Status SqliteConnection::Begin() {
  if (!*broken_) return Run("BEGIN IMMEDIATE");
  return Status::Unavailable(
      "sqlite online store \"" + path_ +
      "\" is read-only since a sync to disk failed. Check the disk, then open the store "
      "again (restart the server).");
}

Status SqliteConnection::Commit() {
  const Status status = Run("COMMIT");
  const int error = status.ok() ? SQLITE_OK : sqlite3_extended_errcode(db_);
  if (error == SQLITE_IOERR_FSYNC || error == SQLITE_IOERR_DIR_FSYNC) *broken_ = true;
  return status;
}

void SqliteConnection::Rollback() {
  (void)Run("ROLLBACK");  // the error before it is the one to tell
}

Result<sqlite3_stmt*> SqliteConnection::Prepare(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    sqlite3_reset(found->second);
    return found->second;
  }
  sqlite3_stmt* statement;
  if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK)
    return Error("can not prepare");
  statements_.emplace(sql, statement);
  return statement;
}

Status SqliteConnection::Error(std::string_view action) const {
  const std::string text =
      "sqlite online store \"" + path_ + "\": " + std::string(action) + ": " + sqlite3_errmsg(db_) + ".";
  switch (sqlite3_errcode(db_)) {
    case SQLITE_FULL:
      return Status::ResourceExhausted(text +
                                       " Nothing of it was written. Free some space and run it again.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Status::DataLoss(text + " Restore the file, or remove it, apply and materialize again.");
    default:
      return Status::Unavailable(text);
  }
}

std::string QuotedName(std::string_view name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  if (std::all_of(name.begin(), name.end(), plain) && !std::isdigit(static_cast<unsigned char>(name[0])))
    return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

void BindBlob(sqlite3_stmt* statement, int at, std::string_view bytes) {
  // A null pointer would bind NULL; the empty blob is a value of its own.
  sqlite3_bind_blob(statement, at, bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size()),
                    SQLITE_STATIC);
}

void BindText(sqlite3_stmt* statement, int at, std::string_view text) {
  sqlite3_bind_text(statement, at, text.empty() ? "" : text.data(), static_cast<int>(text.size()),
                    SQLITE_STATIC);
}

std::string_view ColumnBytes(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

}  // namespace salver
