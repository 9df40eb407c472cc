// The packed row: all features of one entity in one value. What lmdb stores, and what materialization hands
// to every store.
//
//   byte  0      version, 1
//   byte  1..3   zero
//   bytes 4..7   u32 schema id: which list of features the row was written with (kept beside the rows); 0 in
//                a row that no store has yet
//   bytes 8..15  i64 event time, UTC microseconds      16..23  i64 created time (INT64_MIN: none)
//   then         null bitmap, one bit a feature, 1 = null, padded to 8 bytes
//   then         one 8-byte slot a feature: INT32, INT64, BOOL, UNIX_TIMESTAMP (microseconds) as i64; FLOAT
//   and
//                DOUBLE as f64; everything else u32 offset and u32 size of its bytes in the tail
//   then         the tail; string-like types as they are, nested types as a serialized feast.types.Value
//
// All integers little-endian. The decoder is total: any bytes give cells or DataLoss.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "salver/feature_view.h"
#include "salver/online_rows.h"
#include "salver/status.h"

namespace salver {

inline constexpr size_t kRowHeaderSize = 24, kRowSchemaAt = 4, kRowEventAt = 8, kRowCreatedAt = 16;
// Version, times and bitmap of a row without nulls: what comes before the slots.
inline constexpr char kRowVersion = 1;
inline constexpr size_t RowSlotsAt(size_t columns) {
  return kRowHeaderSize + (columns + 63) / 64 * 8;
}

// Names and types of the features of one packed row, in slot order.
struct RowSchema {
  struct Column {
    std::string name;
    ValueType type = ValueType::kInvalid;
    friend bool operator==(const Column&, const Column&) = default;
  };
  uint32_t id = 0;
  std::vector<Column> columns;
  uint64_t hash = 0;  // HashRowSchema of the columns' bytes; 0: not known
};

struct RowHeader {
  uint32_t schema_id = 0;
  int64_t event_us = 0;
  int64_t created_us = 0;
};

// Replaces `out` with the row. `cells` has one entry a feature.
void EncodeRow(const RowHeader& header, std::span<const OnlineCell> cells, std::string* out);

// Errors: DataLoss for bytes that are no row of this version.
Result<RowHeader> DecodeRowHeader(std::string_view row);

// Cell of column `slot`. `row` passed DecodeRowHeader; bytes point into `row`.
Status DecodeRowCell(std::string_view row, const RowSchema& schema, size_t slot, OnlineCell* cell);
// Cells of `slots`, one after the other `stride` cells apart; a slot below 0 leaves its cell as it is.
Status DecodeRowCells(std::string_view row, const RowSchema& schema, std::span<const int> slots,
                      OnlineCell* cells, size_t stride);

// A schema as bytes: for each column u32 type, u32 length, name.
std::string EncodeRowSchema(const std::vector<RowSchema::Column>& columns);
Result<std::vector<RowSchema::Column>> DecodeRowSchema(std::string_view bytes);
// Of these bytes, never 0: schemas with the same hash are taken for the same.
uint64_t HashRowSchema(std::string_view bytes);

}  // namespace salver
