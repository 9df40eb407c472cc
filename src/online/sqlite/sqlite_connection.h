// One connection to a SQLite file and its prepared statements; used by one thread at a time.
//
// Pages are read through a memory map of the file, up to 2 GB of it: connections of one process share them
// with each other and with the kernel, and keep them when somebody writes, where a page cache of SQLite's is
// dropped whole with every commit of another connection. What others do through SQLite (Feast, another
// Salver, VACUUM) is safe under SQLite's locks: each read transaction that finds the file changed maps it
// anew. Two things are not: a program that overwrites the file in its place without SQLite, and a disk that
// can not read a page. A page of the map that is gone ends the process with SIGBUS, as it does with LMDB's
// map. HasMoved() narrows the first to the time that a request takes: whoever takes a connection from a pool
// asks it, and opens another when the file was deleted, replaced or cut short.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "salver/status.h"

namespace salver {

class SqliteConnection {
 public:
  // `broken` is set by a commit whose sync failed.
  SqliteConnection(std::string path, std::atomic<bool>* broken) : path_(std::move(path)), broken_(broken) {}
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // `create`: the file may be made. Else NotFound (kViewNotFound) where there is none.
  Status Open(bool create);
  // Whether the path has another file than the one that is open, none, or a shorter one than it had at the
  // last call. Nothing may be read through this connection then.
  bool HasMoved();
  Status Run(const std::string& sql);
  // The write transaction. Errors of Begin: Unavailable once a sync has failed, for as long as the store is
  // open.
  Status Begin();
  Status Commit();
  void Rollback();
  // A read transaction: all that is read until its end is of one moment. It begins with the first row that is
  // looked at, and sees every commit before that.
  Status BeginReading() { return Step("BEGIN"); }
  Status EndReading() { return Step("COMMIT"); }
  // Within a read transaction, whose moment this fixes: whether it sees a commit, of this connection or of
  // any other, that the last call did not see. True the first time; seldom true without one.
  Result<bool> SeesNewCommits();
  // The statement, reset; prepared once.
  Result<sqlite3_stmt*> Prepare(std::string_view sql);
  // As Prepare, found by a short name: `make_sql` is called once. For what every request runs.
  template <typename MakeSql>
  Result<sqlite3_stmt*> Prepare(std::string_view name, const MakeSql& make_sql) {
    auto found = named_.find(name);
    if (found == named_.end()) {
      SALVER_ASSIGN(sqlite3_stmt* const statement, Prepare(make_sql()));
      found = named_.emplace(name, statement).first;
    }
    sqlite3_reset(found->second);
    return found->second;
  }

  bool MissesTable() const { return std::string_view(sqlite3_errmsg(db_)).starts_with("no such table"); }
  uint64_t inode() const { return opened_.inode; }                  // of the file that is open
  bool IsIdle() const { return sqlite3_get_autocommit(db_) != 0; }  // in no transaction
  int changes() const { return sqlite3_changes(db_); }
  Status Error(std::string_view action) const;

 private:
  const std::string path_;
  std::atomic<bool>* const broken_;
  Status Step(std::string_view sql);

  sqlite3* db_ = nullptr;
  FileIdentity opened_;
  std::optional<unsigned> seen_version_;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;  // by their SQL
  std::map<std::string, sqlite3_stmt*, std::less<>> named_;       // of statements_
};

// A name as SQL. Plain ones stay as they are: that is how Feast's schema reads.
std::string QuotedName(std::string_view name);
// `bytes` must stay until the statement has run.
void BindBlob(sqlite3_stmt* statement, int at, std::string_view bytes);
void BindText(sqlite3_stmt* statement, int at, std::string_view text);
std::string_view ColumnBytes(sqlite3_stmt* statement, int column);

}  // namespace salver
