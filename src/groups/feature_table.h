// The table of one version of a materialized feature group.
//
// Thread safety: all methods from any thread; writers of one table take turns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "groups/parquet_part.h"
#include "groups/table_cache.h"
#include "salver/materialized_feature_store.h"
#include "salver/status.h"

namespace salver {

// Times of rows, UTC microseconds, both included.
struct TimeRange {
  int64_t start_us = INT64_MIN, end_us = INT64_MAX;
};

struct TableFacts {
  int64_t rows = 0;
  int64_t committed_us = 0;  // UTC microseconds; 0: never written
};

class FeatureTable {
 public:
  virtual ~FeatureTable() = default;
  // `rows` are checked (CheckRows). Rows already there with times in `replaced` go: none of them when it is
  // null, so that the new ones are added.
  virtual Result<WriteReport> Write(const arrow::Table& rows, const TimeRange* replaced) = 0;
  // Rows of the keys, and of others beside them, not after `max_event_us` where that is easily told; in the
  // order of the source, which breaks ties. With these columns; one that the table has not yet is null.
  //   keys  columns named as the key columns, of their stored types.
  virtual Result<std::shared_ptr<arrow::Table>> RowsOf(const arrow::Table& keys, const arrow::Schema& columns,
                                                       int64_t max_event_us) = 0;
  // Gives every row the columns that `schema` has more, as nulls.
  virtual Status AddColumns(const arrow::Schema& schema) = 0;
  virtual Result<TableFacts> Facts() = 0;
  virtual LookupStats stats() const = 0;
  // Looks at everything that a read needs; says what it found.
  virtual Result<std::string> Check() = 0;
};

struct TableContext {
  Files* files = Files::System();
  Clock* clock = Clock::System();
  TableCache* cache = nullptr;
};

// Parquet files in `folder`, which needs not be there yet, under a log of this format (groups/table_log.h).
std::unique_ptr<FeatureTable> NewFeatureTable(const std::string& format, std::string folder,
                                              std::vector<std::string> key_columns, std::string time_column,
                                              const TableContext& context);

}  // namespace salver
