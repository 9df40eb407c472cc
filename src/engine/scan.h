// The first pass over a source: keys and times of the row groups that a time range can need.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/lowered_plan.h"
#include "kernel/key_dictionary.h"
#include "salver/status.h"
#include "source/read_scratch.h"

namespace arrow {
class Array;
}

namespace salver {

// The rows of one row group. Scanned into again, it uses its memory again; what it held is gone then.
struct ScannedRows {
  int64_t first_position = 0;                       // row number of the group's first in the whole source
  LargeVector<uint32_t> rows;                       // those of the group that times are of; empty: all
  std::vector<std::shared_ptr<arrow::Array>> keys;  // of ArrowType(key field); they point into `numbers`
  LargeVector<int64_t> event_us;                    // kNoTime where null
  LargeVector<int64_t> created_us;                  // empty when the source has no created column

  std::vector<LargeVector<int64_t>> numbers;  // per key field that is read as numbers
  std::vector<uint8_t> valid;
  LargeVector<uint32_t> places;  // 0, 1, 2 ...
  ReadScratch scratch;
};

// How many times, the first and the last; kNoTime counts, and is neither.
LabelTimes TimesRange(std::span<const int64_t> times);

// First row number of each row group, and the total at the end.
std::vector<int64_t> RowGroupStarts(const SourceReader& reader);

// Row groups that may hold an event time in [min_us, max_us].
std::vector<int> GroupsInRange(const SourceReader& reader, int64_t min_us, int64_t max_us);

// Whether ScanKeys reads the column as numbers: the bytes of its values lie in ScannedRows::numbers.
bool IsKeyOfNumbers(const SourceReader& reader, const Field& key);

// Reads key, time and created columns of a row group. `key_fields` name columns of the source.
Status ScanKeysAndTimes(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields,
                        int group, ScannedRows* rows);
// The two halves of it, keys first.
Status ScanKeys(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields, int group,
                ScannedRows* rows);
Status ScanTimes(SourceReader* reader, const ScanNode& scan, int group, ScannedRows* rows);
// The rows of a group whose key is in `dictionary`, for who wants no others: what ids they have, and their
// times. Where that is not every row, rows->rows names them, and times of others are not decoded if they need
// not be. `key_fields` are one a column of the dictionary.
Status ScanRowsOf(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields,
                  const KeyDictionary& dictionary, int group, LargeVector<int32_t>* ids, ScannedRows* rows);

}  // namespace salver
