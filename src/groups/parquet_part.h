// One immutable Parquet file of a feature group's table: written sorted by entity key and time in small row
// groups, so that the statistics of the footer tell which of them a key can be in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "salver/status.h"

namespace arrow {
class ChunkedArray;
class DataType;
class Schema;
class Table;
}  // namespace arrow

namespace salver {

// A lookup decodes whole row groups; smaller ones would make footers and pages of few rows the larger part.
inline constexpr int64_t kRowGroupRows = 16'384;

// Entity keys that are asked for, sorted.
class KeySet {
 public:
  // Columns of `keys` are the key columns, of the types that the file has: integers, timestamps, text.
  explicit KeySet(const arrow::Table& keys);
  size_t column_count() const { return names_.size(); }
  const std::string& name(size_t column) const { return names_[column]; }

  struct Value {
    int64_t number = 0;
    std::string text;
    auto operator<=>(const Value&) const = default;
  };
  struct Bounds {
    bool known = false;
    Value min, max;
  };
  // False when no key has all its columns within `bounds` (one a column).
  bool MayBeWithin(const std::vector<Bounds>& bounds) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<Value>> rows_;
};

class ParquetPart {
 public:
  virtual ~ParquetPart() = default;
  // Reads the footer. Errors: NotFound, DataLoss.
  static Result<std::unique_ptr<ParquetPart>> Open(Files* files, const std::string& path);
  // A new file of these rows, in row groups of kRowGroupRows. Its bytes survive power loss, its name does not
  // yet. Returns its size.
  static Result<int64_t> Write(Files* files, const std::string& path, const arrow::Table& sorted);

  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual int row_groups() const = 0;
  virtual int64_t rows() const = 0;
  virtual bool MayHold(int row_group, const KeySet& keys) const = 0;
  virtual Result<std::shared_ptr<arrow::ChunkedArray>> ReadColumn(int row_group, const std::string& name) = 0;
  virtual int64_t bytes_read() const = 0;  // since it was opened
};

// Row numbers of `rows` in the order of its columns `by`, the first counting most; equal rows keep their
// order.
std::vector<int64_t> SortedRows(const arrow::Table& rows, const std::vector<std::string>& by);

}  // namespace salver
