// A running query: its connection, the names it selects from, and its rows as they come.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sql/sql_connection.h"
#include "sql/sql_database.h"
#include "sql/sql_input.h"
#include "sql/sql_watch.h"

namespace salver {

// A connection of its own for a query: its names are seen by no other.
class SqlSession {
 public:
  static Result<std::unique_ptr<SqlSession>> Open(std::shared_ptr<SqlCore> core, const SqlQuery& query);

  const SqlCore& core() const { return *core_; }
  const DuckDbApi& api() const { return *core_->api; }
  const SqlQuery& query() const { return query_; }
  duckdb_connection connection() const { return connection_.get(); }
  // Runs one statement or several and drops what they answer.
  Status Run(const std::string& sql) const;
  // Parses and binds one SELECT; any other statement, and more than one, is an error.
  Status PrepareSelect(const std::string& sql, int lines_before, DuckDbStatement* statement) const;
  // The watch's verdict if it ended the query, else what DuckDB says.
  Status Fault(duckdb_error_type type, const std::string& message) const;

 private:
  SqlSession(std::shared_ptr<SqlCore> core, const SqlQuery& query);
  Status Connect();
  Status AddInputs();

  std::shared_ptr<SqlCore> core_;
  SqlQuery query_;
  std::vector<std::unique_ptr<SqlInputScope>> inputs_;
  DuckDbConnection connection_;
  std::unique_ptr<SqlWatch> watch_;  // before the connection goes
};

// Columns of what the statement will answer, as DuckDB gives them to Arrow.
Result<std::shared_ptr<arrow::Schema>> SchemaOfStatement(const SqlSession& session,
                                                         const DuckDbStatement& statement);
// As sql_database.h says that types become.
std::shared_ptr<arrow::Schema> FittedSchema(const arrow::Schema& schema);

// Runs a statement that the session prepared.
Result<std::unique_ptr<SqlStream>> StartStream(std::unique_ptr<SqlSession> session,
                                               DuckDbStatement statement);

}  // namespace salver
