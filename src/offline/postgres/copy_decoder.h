// The stream of COPY ... TO STDOUT (FORMAT binary) as Arrow columns.
//
// Layout: "PGCOPY\n\377\r\n\0", 4 bytes of flags, 4 bytes of length and as many bytes of extension; then
// rows, each 2 bytes of column count and per column 4 bytes of length (-1: null) and the value; then -1 in 2
// bytes. All integers are big-endian. Source: PostgreSQL 15, "COPY", "Binary Format".
//
// Total: any bytes give rows or an error, and take no more memory than a few times their size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "offline/postgres/value_decoder.h"
#include "salver/status.h"

namespace arrow {
class RecordBatch;
class Schema;
class Table;
}  // namespace arrow

namespace salver::postgres {

class CopyDecoder {
 public:
  // `what` is the subject of errors: data source "drivers" (postgres table "public"."drivers").
  CopyDecoder(std::string what, std::vector<Column> columns);
  ~CopyDecoder();

  // The next piece of the stream: whole rows, with the header before the first. The server's messages are
  // such pieces. Errors: DataLoss for a stream that is not well formed; InvalidArgument for a value that has
  // no place in Arrow, naming column and row. After an error nothing more is to be asked of the decoder.
  Status Append(Bytes piece);

  // All rows. DataLoss when the stream has not come to its end.
  Result<std::shared_ptr<arrow::Table>> Finish();

  int64_t rows() const { return rows_; }

 private:
  Status Header(Bytes* piece);
  Status Row(Bytes* piece);
  Status Flush();
  Status Malformed(const std::string& how) const;

  const std::string what_;
  const std::vector<Column> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<ColumnDecoder>> decoders_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  int64_t rows_ = 0, batch_rows_ = 0;
  size_t batch_bytes_ = 0;
  bool begun_ = false, ended_ = false;
};

}  // namespace salver::postgres
