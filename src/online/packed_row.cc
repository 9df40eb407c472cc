#include "salver/packed_row.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "model/wire.h"

namespace salver {
namespace {

template <typename T>
T Load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}
template <typename T>
void Store(T value, char* at) {
  std::memcpy(at, &value, sizeof(T));
}

bool IsReal(ValueType type) {
  return type == ValueType::kFloat || type == ValueType::kDouble;
}

Status Corrupt(const char* what) {
  return Status::DataLoss(std::string("a packed row ") + what +
                          ". Materialize the view again, or restore the store.");
}

}  // namespace

void EncodeRow(const RowHeader& header, std::span<const OnlineCell> cells, std::string* out) {
  const size_t columns = cells.size();
  const size_t slots = RowSlotsAt(columns);
  const size_t tail = slots + columns * 8;
  out->assign(tail, '\0');
  (*out)[0] = kRowVersion;
  Store(header.schema_id, out->data() + kRowSchemaAt);
  Store(header.event_us, out->data() + 8);
  Store(header.created_us, out->data() + 16);
  for (size_t i = 0; i < columns; ++i) {
    char* slot = out->data() + slots + i * 8;
    if (cells[i].null()) {
      (*out)[kRowHeaderSize + i / 8] |= static_cast<char>(1 << (i % 8));
    } else if (cells[i].kind == OnlineCell::Kind::kBytes) {
      Store(static_cast<uint32_t>(out->size() - tail), slot);
      Store(cells[i].size, slot + 4);
      out->append(cells[i].bytes());
    } else {
      Store(cells[i].integer, slot);  // integer and real share the 8 bytes
    }
  }
}

Result<RowHeader> DecodeRowHeader(std::string_view row) {
  if (row.size() < kRowHeaderSize) return Corrupt("is shorter than its header");
  if (row[0] != kRowVersion) return Corrupt("is of another version");
  return RowHeader{Load<uint32_t>(row.data() + 4), Load<int64_t>(row.data() + 8),
                   Load<int64_t>(row.data() + 16)};
}

Status DecodeRowCell(std::string_view row, const RowSchema& schema, size_t slot, OnlineCell* cell) {
  const int slots[] = {static_cast<int>(slot)};
  return DecodeRowCells(row, schema, slots, cell, 1);
}

Status DecodeRowCells(std::string_view row, const RowSchema& schema, std::span<const int> slots,
                      OnlineCell* cells, size_t stride) {
  const size_t columns = schema.columns.size();
  const size_t first = RowSlotsAt(columns);
  const size_t tail = first + columns * 8;
  if (row.size() < tail) return Corrupt("is shorter than its slots");
  const char* const nulls = row.data() + kRowHeaderSize;
  const char* const values = row.data() + first;
  const RowSchema::Column* const described = schema.columns.data();
  ValueType type = ValueType::kInvalid;
  bool real = false, integer = false;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] < 0) continue;
    const size_t slot = static_cast<size_t>(slots[i]);
    OnlineCell& cell = cells[i * stride];
    const char* at = values + slot * 8;
    if (described[slot].type != type) {  // most columns have the type of the one before
      type = described[slot].type;
      real = IsReal(type);
      integer = !real && IsFixedWidth(type);
    }
    if (nulls[slot / 8] >> (slot % 8) & 1) {
      cell = OnlineCell();
    } else if (integer) {
      cell = OnlineCell::Integer(Load<int64_t>(at));
    } else if (real) {
      cell = OnlineCell::Real(Load<double>(at));
    } else {
      const uint64_t offset = Load<uint32_t>(at), size = Load<uint32_t>(at + 4);
      if (tail + offset + size > row.size()) return Corrupt("points past its end");
      cell = OnlineCell::Bytes(row.substr(tail + offset, size));
    }
  }
  return Status::OK();
}

std::string EncodeRowSchema(const std::vector<RowSchema::Column>& columns) {
  std::string bytes;
  for (const auto& column : columns) {
    wire::AppendFixed(static_cast<uint32_t>(column.type), &bytes);
    wire::AppendFixed(static_cast<uint32_t>(column.name.size()), &bytes);
    bytes += column.name;
  }
  return bytes;
}

Result<std::vector<RowSchema::Column>> DecodeRowSchema(std::string_view bytes) {
  std::vector<RowSchema::Column> columns;
  while (!bytes.empty()) {
    if (bytes.size() < 8) return Corrupt("schema ends early");
    const auto type = static_cast<ValueType>(Load<uint32_t>(bytes.data()));
    const uint64_t size = Load<uint32_t>(bytes.data() + 4);
    if (bytes.size() - 8 < size) return Corrupt("schema ends early");
    columns.push_back({std::string(bytes.substr(8, size)), type});
    bytes.remove_prefix(8 + size);
  }
  return columns;
}

uint64_t HashRowSchema(std::string_view bytes) {
  return std::max<uint64_t>(1, XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace salver
