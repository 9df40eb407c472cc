// A SourceReader reads the history behind a DataSource: one Parquet file, a folder of them, or a glob
// (*.parquet). Row groups are numbered through all files in name order; that order is "the order of the
// source" that breaks ties.
//
// Thread safety: all methods from any thread. Read uses the thread that calls it and no other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class Schema;
class Table;
}  // namespace arrow

namespace salver {

struct RowGroup {
  int64_t rows = 0;
  int64_t compressed_bytes = 0;
  // Smallest and largest event time, UTC microseconds, when the file's statistics tell.
  std::optional<int64_t> min_event_us, max_event_us;
};

class SourceReader {
 public:
  virtual ~SourceReader() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual const std::vector<RowGroup>& row_groups() const = 0;
  virtual int file_count() const = 0;
  // The rows of `groups` (ascending) with these top-level columns, in this order.
  // Errors: DataLoss for a file that is damaged, NotFound when it has gone; the message names the file.
  virtual Result<std::shared_ptr<arrow::Table>> Read(std::span<const int> groups,
                                                     const std::vector<std::string>& columns) = 0;
};

// Opens a file source; relative paths start at `folder`. Row groups take their time range from the statistics
// of the source's timestamp_field. Errors: NotFound, DataLoss, InvalidArgument (kBadSource): not Parquet,
// files with different schemas, no file.
//         Unimplemented for kinds that have no reader in this build.
Result<std::unique_ptr<SourceReader>> OpenSource(const DataSource& source, const std::string& folder);

// The columns of a source and their types, for inference and validation.
Result<std::shared_ptr<arrow::Schema>> ReadSourceSchema(const DataSource& source, const std::string& folder);

}  // namespace salver
