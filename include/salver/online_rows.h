// OnlineRows is what an OnlineStore answers for one view: K columns for N keys, column-major, without a
// message or an allocation per value.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "salver/status.h"
#include "salver/value_type.h"

namespace arrow {
class Array;
}

namespace salver {

// One value, by the type of its column:
//   INT32, INT64          `integer`            BOOL  `integer` 0 or 1
//   UNIX_TIMESTAMP        `integer`, microseconds since 1970 UTC
//   FLOAT, DOUBLE         `real` (a FLOAT widened)
//   string-like types     `bytes`: the string itself
//   everything else       `bytes`: the serialized feast.types.Value
// `bytes` points into the OnlineRows' arena.
struct OnlineCell {
  enum class Kind : uint32_t { kNull = 0, kInteger, kReal, kBytes };
  Kind kind = Kind::kNull;
  uint32_t size = 0;
  union {
    int64_t integer = 0;
    double real;
    const char* data;
  };

  bool null() const { return kind == Kind::kNull; }
  std::string_view bytes() const { return {data, size}; }
  static OnlineCell Integer(int64_t v) {
    OnlineCell c;
    c.kind = Kind::kInteger;
    c.integer = v;
    return c;
  }
  static OnlineCell Real(double v) {
    OnlineCell c;
    c.kind = Kind::kReal;
    c.real = v;
    return c;
  }
  static OnlineCell Bytes(std::string_view v) {
    OnlineCell c;
    c.kind = Kind::kBytes;
    c.size = static_cast<uint32_t>(v.size());
    c.data = v.data();
    return c;
  }
};
static_assert(sizeof(OnlineCell) == 16);

// Bytes that stay where they are until the arena goes or is cleared. Not thread safe.
class ByteArena {
 public:
  // A copy of `bytes` that lives as long as the arena.
  std::string_view Copy(std::string_view bytes) {
    char* to = Allocate(bytes.size());
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return {to, bytes.size()};
  }
  char* Allocate(size_t size) {
    if (blocks_.empty() || used_ + size > capacity_) {
      capacity_ = size > kBlock ? size : kBlock;
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(capacity_));
      used_ = 0;
    }
    char* at = blocks_.back().get() + used_;
    used_ += size;
    return at;
  }

 private:
  static constexpr size_t kBlock = 16 * 1024;
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0, capacity_ = 0;
};

struct OnlineRows {
  size_t row_count = 0;
  size_t column_count = 0;
  std::vector<OnlineCell> cells;     // [column * row_count + row]
  std::vector<uint8_t> present;      // per row: 1 when the key was ever written
  std::vector<int64_t> event_us;     // per row; 0 when absent
  std::vector<int64_t> created_us;   // per row; kNoCreatedTime when absent or unknown
  std::shared_ptr<ByteArena> arena;  // owns what cells point to; several OnlineRows may share one

  static OnlineRows Absent(size_t rows, size_t columns, std::shared_ptr<ByteArena> arena) {
    OnlineRows r;
    r.row_count = rows;
    r.column_count = columns;
    r.cells.resize(rows * columns);
    r.present.resize(rows);
    r.event_us.resize(rows);
    r.created_us.resize(rows, INT64_MIN);
    r.arena = std::move(arena);
    return r;
  }
  OnlineCell& at(size_t row, size_t column) { return cells[column * row_count + row]; }
  const OnlineCell& at(size_t row, size_t column) const { return cells[column * row_count + row]; }
};

}  // namespace salver
