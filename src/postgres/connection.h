// A connection to PostgreSQL: libpq with deadlines, cancellation and Salver's errors. Nothing else includes
// libpq.
//
// Used by one thread at a time. Closing it, for whatever reason, undoes what was not committed, temporary
// tables included.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/postgres_options.h"
#include "salver/deadline.h"
#include "salver/status.h"

namespace salver::postgres {

// What ends a call early. Looked at while waiting for the server, some twenty times a second.
struct CallLimits {
  Deadline deadline = Deadline::Never();
  const std::atomic<bool>* cancelled = nullptr;  // null: can not be
};

// A column of an answer as the server describes it.
struct ColumnDescription {
  std::string name;
  uint32_t oid = 0;  // of the type; a domain's is that of the type below it
  int modifier = -1;
};

// Rows of text; null where SQL is null.
using TextRows = std::vector<std::vector<std::optional<std::string>>>;

// A statement with parameters, all in PostgreSQL's binary form (binary_form.h). It is prepared once a
// connection.
struct Statement {
  std::string sql;
  std::vector<uint32_t> types;  // OIDs
  std::vector<std::string> parameters;
};

// One row of a statement's answer in binary form; gone when the call that has it returns.
class ResultRow {
 public:
  ResultRow(const void* result, int row) : result_(result), row_(row) {}
  // Null where SQL is null.
  std::optional<std::string_view> operator[](int column) const;

 private:
  const void* result_;
  int row_;
};

// "a ""b""" in quotes, for SQL. 'it''s' likewise, right whatever the server's settings are.
std::string QuoteIdentifier(std::string_view name);
std::string QuoteLiteral(std::string_view text);

class Connection {
 public:
  // Errors, none of which shows the password:
  //   Unavailable       nobody answers there, or the server is starting or stopping
  //   PermissionDenied  user or password are not taken
  //   NotFound          there is no such database
  //   DeadlineExceeded  no connection within connect_timeout_s; Cancelled
  static Result<std::unique_ptr<Connection>> Open(const PostgresOptions& options, const CallLimits& limits);
  ~Connection();

  // One statement each; a second one in `sql` is an error of the server. Errors as in StatusOf (below), and
  //   Unavailable       the connection was lost: the transaction is undone
  //   DeadlineExceeded, Cancelled  the server was told to stop, and the connection is closed
  Result<TextRows> Query(const std::string& sql);
  Status Execute(const std::string& sql);
  // All of `statements` in one round trip, and in one transaction unless one is open. `take` gets each row
  // with the position of its statement. The first error is the one that counts; it undoes them all.
  // `first_failed`, if not null, is set to the statement that failed.
  Status Run(std::span<const Statement> statements,
             const std::function<Status(size_t, const ResultRow&)>& take, size_t* first_failed = nullptr);
  // Of the calls that follow.
  void SetLimits(const CallLimits& limits) { limits_ = limits; }
  // False after an error after which nobody knows what the server does.
  bool usable() const;
  // The columns that `sql` would answer with. Nothing is run.
  Result<std::vector<ColumnDescription>> Describe(const std::string& sql);
  // Runs COPY ... TO STDOUT; `take` gets each of the server's messages. An error of `take` ends it.
  Status CopyOut(const std::string& sql, const std::function<Status(std::span<const uint8_t>)>& take);
  // Runs COPY ... FROM STDIN; `give` fills the next piece, and says false when there is none. Its error is
  // sent to the server, which undoes the statement.
  Status CopyIn(const std::string& sql, const std::function<Result<bool>(std::string*)>& give);

  // The SQLSTATE of the last error that the server sent; "" when the last call had none.
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  class Handle;
  Connection(std::unique_ptr<Handle> handle, const CallLimits& limits, std::string where);

  Status Wait(bool to_write);
  Status WaitForResult();
  Status Ready();
  Status Start(const std::string& sql);
  Status BeginCopy(const std::string& sql, int expected);
  Status ReadAll(TextRows* rows);
  Status Lost();
  Status Refused(const void* result);
  Status CopyRow(bool* more, const std::function<Status(std::span<const uint8_t>)>& take);
  Status Send(const std::string& piece);
  Status EndCopyIn(const char* problem);
  Status Flush();
  Status SendStatement(const Statement& statement, bool* prepares);
  Status TakeResults(size_t statement, const std::function<Status(size_t, const ResultRow&)>& take);

  std::unique_ptr<Handle> handle_;
  CallLimits limits_;
  const std::string where_;  // postgres server "localhost:5432", for messages
  std::string sqlstate_;
  std::map<std::string, std::string> prepared_;  // SQL -> name
};

}  // namespace salver::postgres
