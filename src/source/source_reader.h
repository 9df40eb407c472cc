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

#include "base/large_vector.h"
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

// Memory that reads use again. One a thread.
struct ReadScratch {
  LargeVector<uint8_t> bytes;
  LargeVector<int16_t> levels;
  LargeVector<int32_t> indices;
  LargeVector<int64_t> decoded;
};

// Rows of one row group that are wanted, ascending, and where the value of each goes.
struct PickedRows {
  std::span<const uint32_t> rows, targets;
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

  // Bytes of a top-level column in a row group, as compressed.
  virtual Result<int64_t> ColumnBytes(int group, const std::string& column) const = 0;

  // True when the two below take the column: numbers and times of 4 or 8 bytes, not nested. They go past
  // Arrow, into memory of the caller, and cost no allocation.
  virtual bool IsFixedWidth(const std::string& column) const = 0;
  // All values of a row group, as its Arrow type has them. False when none is null, and then `valid` is not
  // written.
  //   values, valid  one a row of the group; valid is 1 where there is a value, elsewhere values holds
  //   anything.
  virtual Result<bool> ReadFixed(int group, const std::string& column, ReadScratch* scratch, void* values,
                                 uint8_t* valid) = 0;
  // values[target] and valid[target] = 1 for every picked row that is not null; others are left as they are.
  // Pages without a picked row are not decompressed.
  virtual Status GatherFixed(int group, const std::string& column, const PickedRows& picked,
                             ReadScratch* scratch, void* values, uint8_t* valid) = 0;
};

// Opens a file source; relative paths start at `folder`. Row groups take their time range from the statistics
// of the source's timestamp_field. Errors: NotFound, DataLoss, InvalidArgument (kBadSource): not Parquet,
// files with different schemas, no file.
//         Unimplemented for kinds that have no reader in this build.
Result<std::unique_ptr<SourceReader>> OpenSource(const DataSource& source, const std::string& folder);

// The columns of a source and their types, for inference and validation.
Result<std::shared_ptr<arrow::Schema>> ReadSourceSchema(const DataSource& source, const std::string& folder);

}  // namespace salver
