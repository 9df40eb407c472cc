// Arrow tables as tables of DuckDB. The C API's own scan of an Arrow stream can be read once, and gives no
// rows the second time without a word; this is a table function, read any number of times and from several
// threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "salver/status.h"
#include "sql/sql_connection.h"

namespace arrow {
class Table;
}  // namespace arrow

namespace salver {

struct InputTable;

// The tables that queries running now may read, by number.
class SqlInputs {
 public:
  int64_t Add(std::shared_ptr<const InputTable> table);
  void Remove(int64_t number);
  std::shared_ptr<const InputTable> Find(int64_t number);

 private:
  std::mutex mutex_;
  int64_t last_ = 0;
  std::map<int64_t, std::shared_ptr<const InputTable>> tables_;
};

// A table that can be read as salver_rows(number) while this lives.
class SqlInputScope {
 public:
  SqlInputScope(std::shared_ptr<SqlCore> core, int64_t number) : core_(std::move(core)), number_(number) {}
  SqlInputScope(const SqlInputScope&) = delete;
  ~SqlInputScope();
  int64_t number() const { return number_; }

 private:
  std::shared_ptr<SqlCore> core_;
  const int64_t number_;
};

// Errors: InvalidArgument for a column whose type DuckDB does not know.
Result<std::unique_ptr<SqlInputScope>> AddSqlInput(const std::shared_ptr<SqlCore>& core,
                                                   const std::shared_ptr<arrow::Table>& table,
                                                   const std::string& subject);

// Makes the function salver_rows known to the database.
Status RegisterSqlInputs(SqlCore* core);

}  // namespace salver
