// Arrow columns as the stream of COPY ... FROM STDIN (FORMAT binary); the layout is in copy_decoder.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "offline/postgres/value_encoder.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver::postgres {

class CopyEncoder {
 public:
  // Column i of `rows` is for columns[i]. `what` is the subject of errors: pushed rows for data source "x".
  // Errors: InvalidArgument (kBadFeatureValue) for a column whose type, or some value, does not fit.
  static Result<CopyEncoder> Make(std::string what, std::vector<Column> columns, const arrow::Table& rows);

  // The next piece, up to about 64 KiB, in *piece; false when the stream is complete.
  Result<bool> Next(std::string* piece);

 private:
  CopyEncoder(std::string what, std::vector<Column> columns)
      : what_(std::move(what)), columns_(std::move(columns)) {}
  Status AppendRow(std::string* out);

  std::string what_;
  std::vector<Column> columns_;
  std::vector<std::shared_ptr<arrow::Array>> values_;
  std::vector<std::unique_ptr<ColumnEncoder>> encoders_;
  int64_t row_ = 0, rows_ = 0;
  bool begun_ = false, ended_ = false;
};

}  // namespace salver::postgres
