// The first pass over a source: keys and times of the row groups that a time range can need.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plan/execution_plan.h"
#include "salver/status.h"
#include "source/source_reader.h"

namespace salver {

// Rows of some row groups. `positions` are row numbers in the whole source.
struct ScannedRows {
  std::vector<std::shared_ptr<arrow::Array>> keys;  // of ArrowType(join key)
  std::vector<int64_t> event_us;                    // kNoTime where null
  std::vector<int64_t> created_us;                  // empty when the source has no created column
  std::vector<int64_t> positions;
};

// First row number of each row group, and the total at the end.
std::vector<int64_t> RowGroupStarts(const SourceReader& reader);

// Row groups that may hold an event time in [min_us, max_us].
std::vector<int> GroupsInRange(const SourceReader& reader, int64_t min_us, int64_t max_us);

// Reads key, time and created columns of `groups`. `key_fields` name columns of the source.
Result<ScannedRows> ScanKeysAndTimes(SourceReader* reader, const ScanNode& scan,
                                     std::span<const Field> key_fields, std::span<const int> groups);

}  // namespace salver
