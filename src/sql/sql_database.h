// A SqlDatabase answers SQL over files and Arrow tables with an in-memory DuckDB: SQL sources, SQL
// transformations, Delta Lake. It writes no file but what does not fit into memory, into the folder given for
// it, and reaches no network.
//
// What a person wrote as SQL is one SELECT (Stream, Query, Describe, Explain); anything else is refused
// before it runs. Relative file names in it start at `folder`.
//
// Types of answers are those that sources have: DECIMAL with digits after the point becomes a double, without
// (HUGEINT too, as sum() of whole numbers gives) an int64, and a value past 64 bits is an error, never
// another value; ENUM becomes a string; TIMESTAMP WITH TIME ZONE counts microseconds in UTC. Others are as
// DuckDB gives them to Arrow.
//
// Errors: InvalidArgument (kBadSource) for SQL that does not parse or bind, with DuckDB's own message and the
// line;
//         NotFound (kBadSource) for files and tables that are not there; Unavailable for files that can not
//         be read; ResourceExhausted past the memory limit; Cancelled; DeadlineExceeded. Each begins with
//         `asked_by`.
// Thread safety: all methods from any thread, at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "salver/deadline.h"
#include "salver/status.h"

namespace arrow {
class RecordBatch;
class Schema;
class Table;
}  // namespace arrow

namespace salver {

struct SqlOptions {
  std::string folder;  // where relative file names start; empty: the working folder
  std::string
      temporary_folder;  // rows that do not fit into memory; made when needed, removed. Empty: none, an error
  int64_t memory_limit_bytes = 0;  // of all queries together; 0: four fifths of the machine's
  int threads = 0;                 // 0: one a core
};

// A name that the SQL can select from: rows in memory, or another SELECT.
struct SqlInput {
  std::string name;
  std::shared_ptr<arrow::Table> table;  // may be read any number of times by one query; null: `sql`
  std::string sql;
};

struct SqlQuery {
  std::string sql;
  std::string asked_by;  // the subject of error messages: source "trips"
  std::vector<SqlInput> inputs;
  int lines_before = 0;  // lines of `sql` before the text that its author knows; taken off lines in messages
  Deadline deadline = Deadline::Never();
  const std::atomic<bool>* cancelled = nullptr;  // may be null; a running query ends within some milliseconds
};

// The rows of an answer, in its order.
class SqlStream {
 public:
  virtual ~SqlStream() = default;  // stops the query when it has not ended
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // The next rows, at most 128 Ki; null at the end.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
};

class SqlDatabase {
 public:
  virtual ~SqlDatabase() = default;
  // A stream keeps what it needs of the database alive.
  virtual Result<std::unique_ptr<SqlStream>> Stream(const SqlQuery& query) = 0;
  Result<std::shared_ptr<arrow::Table>> Query(const SqlQuery& query);
  // Columns and types of the answer. Parses and binds; runs nothing.
  virtual Result<std::shared_ptr<arrow::Schema>> Describe(const SqlQuery& query) = 0;
  // DuckDB's plan of the query, as text.
  virtual Result<std::string> Explain(const SqlQuery& query) = 0;
  // Runs statements of Salver's own making, of any kind.
  virtual Status Execute(const SqlQuery& statements) = 0;
  // Loads an extension that is shipped beside DuckDB ("delta"); once more does nothing.
  // Errors: Unavailable when it is not there.
  virtual Status LoadExtension(const std::string& name) = 0;
};

Result<std::unique_ptr<SqlDatabase>> OpenSqlDatabase(const SqlOptions& options);

}  // namespace salver
