// A SourceReader reads the rows behind a DataSource, in row groups: those of Parquet's files, slices of a
// table in memory, batches of a database's answer. Row groups are numbered in the order of the source (files
// by name, then rows as written); that order breaks ties.
//
// Thread safety: all methods from any thread. Read uses the thread that calls it and no other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "salver/status.h"

namespace arrow {
class Schema;
class Table;
}  // namespace arrow

namespace salver {

struct RowGroup {
  int64_t rows = 0;
  int64_t compressed_bytes = 0;
  // Smallest and largest event time, UTC microseconds, where they are known without reading rows.
  std::optional<int64_t> min_event_us, max_event_us;
};

// From `min` to `max`.
struct NumberRange {
  int64_t min, max;
};

// Memory that reads use again. One a thread; source/read_scratch.h.
struct ReadScratch;

// Rows of one row group that are wanted, ascending, and where the value of each goes.
struct PickedRows {
  std::span<const uint32_t> rows, targets;
};

// Small numbers for whole numbers, as a dictionary of join keys has them; -1 for others.
class NumberMap {
 public:
  virtual ~NumberMap() = default;
  // `count` numbers each; from any thread.
  virtual void Map(const int32_t* numbers, size_t count, int32_t* to) const = 0;
  virtual void Map(const int64_t* numbers, size_t count, int32_t* to) const = 0;
};

class SourceReader {
 public:
  virtual ~SourceReader() = default;
  // Columns by the names they have in the source.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual const std::vector<RowGroup>& row_groups() const = 0;
  virtual int file_count() const = 0;
  // Tells the rows by what is known without reading them (files, their sizes and times): the same text means
  // that nothing has changed. "" when nothing tells.
  virtual std::string Version() const { return ""; }
  // The rows of `groups` (ascending) with these top-level columns, in this order.
  // Errors: DataLoss for a source that is damaged, NotFound when it has gone, Unavailable when it does not
  // answer, Aborted when somebody wrote into it since it was opened; the message names it.
  virtual Result<std::shared_ptr<arrow::Table>> Read(std::span<const int> groups,
                                                     const std::vector<std::string>& columns) = 0;

  // Bytes of a top-level column in a row group, as compressed; 0 where nothing tells.
  virtual Result<int64_t> ColumnBytes(int group, const std::string& column) const;

  // True when the two below take the column: numbers and times of 4 or 8 bytes, not nested. They go past
  // Arrow, into memory of the caller, and cost no allocation. A reader that has no such columns leaves all
  // of them as they are.
  virtual bool IsFixedWidth(const std::string& column) const;
  // Where the values of such a column lie in a row group, if that is known without reading rows: numbers and
  // times as its Arrow type has them, nulls left out.
  virtual std::optional<NumberRange> RangeOf(int group, const std::string& column) const;
  // All values of a row group, as its Arrow type has them. False when none is null, and then `valid` is not
  // written.
  //   values, valid  one a row of the group; valid is 1 where there is a value, elsewhere values holds
  //   anything.
  virtual Result<bool> ReadFixed(int group, const std::string& column, ReadScratch* scratch, void* values,
                                 uint8_t* valid);
  // values[target] for every picked row; where it is null, the value is left as it is and the target appended
  // to `nulls`. Rows that are not picked cost as little as the source allows.
  virtual Status GatherFixed(int group, const std::string& column, const PickedRows& picked,
                             ReadScratch* scratch, void* values, std::vector<uint32_t>* nulls);

  // True when the one below takes the column: one of whole numbers that IsFixedWidth. A reader that gains
  // nothing by it leaves both as they are.
  virtual bool FindsFixed(const std::string& column) const;
  // The rows of a row group that `map` has a number from 0 up for, ascending, and these numbers; how many
  // they are. A row that is null has none. A column that is stored as a dictionary and places in it is never
  // written out as numbers.
  //   rows, numbers  room for one a row of the group
  virtual Result<size_t> FindFixed(int group, const std::string& column, const NumberMap& map,
                                   ReadScratch* scratch, uint32_t* rows, int32_t* numbers);
};

}  // namespace salver
