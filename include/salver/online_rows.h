// OnlineRows is what an OnlineStore answers for one view: K columns for N keys, column-major, without a
// message or an allocation per value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
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
static_assert(sizeof(OnlineCell) == 16 && alignof(OnlineCell) == alignof(int64_t));

// Bytes that stay where they are until the arena goes or is cleared. Not thread safe.
class ByteArena {
 public:
  // A copy of `bytes` that lives as long as the arena.
  std::string_view Copy(std::string_view bytes) {
    char* to = Allocate(bytes.size());
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return {to, bytes.size()};
  }
  // Room for `count` values, none of which is set.
  template <typename T>
  std::span<T> AllocateSpan(size_t count) {
    const size_t over = blocks_.empty() ? 0 : (alignof(T) - used_ % alignof(T)) % alignof(T);
    if (used_ + over + count * sizeof(T) <= capacity_) used_ += over;  // a new block is aligned
    return {reinterpret_cast<T*>(Allocate(count * sizeof(T))), count};
  }
  char* Allocate(size_t size) {
    if (blocks_.empty() || used_ + size > capacity_) {
      capacity_ = size > kBlock ? size : kBlock;
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(capacity_));
      used_ = 0;
      held_ += capacity_;
    }
    char* at = blocks_.back().get() + used_;
    used_ += size;
    return at;
  }
  size_t bytes_held() const { return held_; }  // in blocks, used or not

  static constexpr size_t kBlock = 16 * 1024;

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0, capacity_ = 0;  // of the last block
  size_t held_ = 0;
};

struct OnlineRows {
  size_t row_count = 0;
  size_t column_count = 0;
  std::span<OnlineCell> cells;    // [column * row_count + row]
  std::span<uint8_t> present;     // per row: 1 when the key was ever written
  std::span<int64_t> event_us;    // per row; 0 when absent
  std::span<int64_t> created_us;  // per row; kNoCreatedTime when absent or unknown
  std::shared_ptr<ByteArena>
      arena;  // owns all of this and what cells point to; several OnlineRows may share one

  static OnlineRows Absent(size_t rows, size_t columns, std::shared_ptr<ByteArena> arena) {
    OnlineRows r;
    r.row_count = rows;
    r.column_count = columns;
    // One piece of memory; a null cell is all zeros.
    const size_t cells = rows * columns * sizeof(OnlineCell), times = rows * sizeof(int64_t);
    const size_t size = cells + 2 * times + rows;
    char* const at = reinterpret_cast<char*>(arena->AllocateSpan<int64_t>((size + 7) / 8).data());
    std::memset(at, 0, size);
    r.cells = {reinterpret_cast<OnlineCell*>(at), rows * columns};
    r.event_us = {reinterpret_cast<int64_t*>(at + cells), rows};
    r.created_us = {reinterpret_cast<int64_t*>(at + cells + times), rows};
    r.present = {reinterpret_cast<uint8_t*>(at + cells + 2 * times), rows};
    std::fill(r.created_us.begin(), r.created_us.end(), INT64_MIN);
    r.arena = std::move(arena);
    return r;
  }
  OnlineCell& at(size_t row, size_t column) { return cells[column * row_count + row]; }
  const OnlineCell& at(size_t row, size_t column) const { return cells[column * row_count + row]; }
};

}  // namespace salver
