// What the tests of this room share.
#pragma once

#include <arrow/builder.h>
#include <arrow/table.h>

#include <filesystem>
#include <memory>
#include <string>

#include "sql/sql_database.h"

namespace salver {

// A folder that goes with the test.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "salver_sql_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  TestFolder(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

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
