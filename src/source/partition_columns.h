// Columns that folders named key=value give to the files in them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/status.h"
#include "source/file_list.h"

namespace salver {

class PartitionColumns {
 public:
  // Types are those declared, else INT64 where every value is a whole number, else text. Errors:
  // InvalidArgument (kBadSource, kBadTimestamp) for a value that is not of its declared type.
  static Result<PartitionColumns> Make(const DataSource& source, const std::vector<SourceFile>& files);

  // The file's own columns, then those of its folders that it does not have itself.
  std::shared_ptr<arrow::Schema> AddTo(const std::shared_ptr<arrow::Schema>& schema) const;
  bool Has(const std::string& column) const { return values_.contains(column); }
  // `rows` times the value that the file's folder gives.
  Result<std::shared_ptr<arrow::ChunkedArray>> Column(const std::string& column, size_t file,
                                                      int64_t rows) const;
  std::shared_ptr<arrow::Field> FieldOf(const std::string& column) const;

 private:
  // Per column its value in each file, as an array of that many values.
  std::map<std::string, std::shared_ptr<arrow::ChunkedArray>> values_;
};

}  // namespace salver
