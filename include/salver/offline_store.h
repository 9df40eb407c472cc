// An OfflineStore is where history is read and written: files, a database. One per kind of source
// (DataSource::store); offline_stores.h has the list, and routes a source to its own.
//
// Thread safety: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/source_reader.h"
#include "salver/status.h"

namespace salver {

// What will be asked of a reader. A store may read less because of it, and never gives a row another value.
struct SourceNeeds {
  std::vector<std::string> columns;  // as named in the source; empty: all
  // Rows outside may be left out; UTC microseconds, both included.
  int64_t min_event_us = INT64_MIN, max_event_us = INT64_MAX;
  // Columns named as in the source: rows of other keys may be left out. Null: all.
  std::shared_ptr<arrow::Table> keys;
  const std::atomic<bool>* cancelled = nullptr;  // may be null; looked at while a store waits or reads
};

// One SELECT over rows that are at hand.
struct SqlRequest {
  struct Table {
    std::string name;  // that the SQL knows the rows by
    std::shared_ptr<arrow::Table> rows;
  };
  std::string sql;
  std::string asked_by;  // subject of error messages: feature view "trips"
  std::vector<Table> tables = {};
  int lines_before = 0;                          // lines of `sql` before those that its author wrote
  const std::atomic<bool>* cancelled = nullptr;  // may be null
};

class OfflineStore {
 public:
  virtual ~OfflineStore() = default;

  // The columns of a source and their types, by the names they have there; for inference and validation.
  // Errors: those of Open.
  virtual Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) = 0;

  // The reader keeps what it needs of the store and may outlive it. Its schema has at least needs.columns;
  // a column that the source lacks is an error of the read, not of Open.
  // Errors: NotFound, DataLoss, Unavailable, InvalidArgument (kBadSource), each naming the source and where
  // it lies.
  virtual Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) = 0;

  // Adds rows to the history of `source`; they survive power loss when this returns OK. After an error none
  // of them is there. Needs exactly the source's columns, in any order; values are cast to its types.
  // Errors: InvalidArgument (kMissingColumns, kBadFeatureValue); FailedPrecondition for a source that can not
  // be added to.
  virtual Status Append(const DataSource& source, const arrow::Table& rows) = 0;

  // A source with exactly these rows; they survive power loss when this returns OK. Errors: AlreadyExists
  // when something is there and `overwrite` is not set; Unimplemented where the store keeps no rows of its
  // own.
  virtual Status Create(const DataSource& source, const arrow::Table& rows, bool overwrite);
  // Removes what Create made; nothing there is OK.
  virtual Status Drop(const DataSource& source);

  // The rows that a SQL text gives. Errors: Unimplemented where the store has no SQL; InvalidArgument with
  // the database's message.
  virtual Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) = 0;

  // SQL transformations: the rows that a request gives, and their columns without running it.
  // Errors: Unimplemented where the store has no SQL over tables; InvalidArgument (kBadSource) for SQL that
  // does not parse or bind, with the line; DeadlineExceeded; Cancelled; ResourceExhausted.
  virtual Result<std::shared_ptr<arrow::Table>> RunSql(const SqlRequest& request);
  virtual Result<std::shared_ptr<arrow::Schema>> DescribeSql(const SqlRequest& request);
  // A SELECT that RunSql understands and that gives the rows of `source`. Unimplemented where there is none:
  // then its rows have to be read.
  virtual Result<std::string> SelectOf(const DataSource& source);
};

}  // namespace salver
