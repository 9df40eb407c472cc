// What the tests of this room share.
#pragma once

#include <arrow/builder.h>
#include <arrow/table.h>

#include <memory>
#include <string>

#include "sql/sql_database.h"
#include "test/test_folder.h"

namespace salver {

inline std::unique_ptr<SqlDatabase> OpenTestDatabase(const SqlOptions& options = {}) {
  auto database = OpenSqlDatabase(options);
  if (!database.ok()) throw std::runtime_error(database.status().ToString());
  return std::move(*database);
}

// 0, 1, 2, ...
inline std::shared_ptr<arrow::Table> Counting(int64_t rows, const std::string& name = "n") {
  arrow::Int64Builder builder;
  for (int64_t row = 0; row < rows; ++row) (void)builder.Append(row);
  return arrow::Table::Make(arrow::schema({arrow::field(name, arrow::int64())}), {*builder.Finish()});
}

inline int64_t Int64At(const arrow::Table& table, int column, int64_t row) {
  return static_cast<const arrow::Int64Scalar&>(**table.column(column)->GetScalar(row)).value;
}

}  // namespace salver
