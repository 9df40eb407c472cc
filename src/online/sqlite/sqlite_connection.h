// One connection to a SQLite file and its prepared statements; used by one thread at a time.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <map>
#include <string>
#include <string_view>

#include "salver/status.h"

namespace salver {

class SqliteConnection {
 public:
  // `broken` is set by a commit whose sync failed.
  SqliteConnection(std::string path, std::atomic<bool>* broken) : path_(std::move(path)), broken_(broken) {}
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  Status Open();
  Status Run(const std::string& sql);
  // The write transaction. Errors of Begin: Unavailable once a sync has failed, for as long as the store is
  // open.
  Status Begin();
  Status Commit();
  void Rollback();
  // The statement, reset; prepared once.
  Result<sqlite3_stmt*> Prepare(const std::string& sql);

  bool MissesTable() const { return std::string_view(sqlite3_errmsg(db_)).starts_with("no such table"); }
  bool IsIdle() const { return sqlite3_get_autocommit(db_) != 0; }  // in no transaction
  int changes() const { return sqlite3_changes(db_); }
  Status Error(std::string_view action) const;

 private:
  const std::string path_;
  std::atomic<bool>* const broken_;
  sqlite3* db_ = nullptr;
  std::map<std::string, sqlite3_stmt*> statements_;
};

// A name as SQL. Plain ones stay as they are: that is how Feast's schema reads.
std::string QuotedName(std::string_view name);
// `bytes` must stay until the statement has run.
void BindBlob(sqlite3_stmt* statement, int at, std::string_view bytes);
void BindText(sqlite3_stmt* statement, int at, std::string_view text);
std::string_view ColumnBytes(sqlite3_stmt* statement, int column);

}  // namespace salver
