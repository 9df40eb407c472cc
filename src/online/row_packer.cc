#include "online/row_packer.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <cstring>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "salver/packed_row.h"

namespace salver {
namespace {

// Widens value_at(row) to the 8 bytes of a slot. `To` is int64_t or double.
template <typename To, typename ValueAt>
void FillSlots(std::span<const uint32_t> rows, size_t slot_at, std::span<char* const> to, ValueAt value_at) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const To value = static_cast<To>(value_at(rows[i]));
    std::memcpy(to[i] + slot_at, &value, sizeof value);
  }
}

void FillColumn(const arrow::Array& column, std::span<const uint32_t> rows, size_t slot_at,
                std::span<char* const> to) {
  switch (column.type_id()) {
    case arrow::Type::INT32:
      return FillSlots<int64_t>(rows, slot_at, to,
                                [v = column.data()->GetValues<int32_t>(1)](uint32_t row) { return v[row]; });
    case arrow::Type::FLOAT:
      return FillSlots<double>(rows, slot_at, to,
                               [v = column.data()->GetValues<float>(1)](uint32_t row) { return v[row]; });
    case arrow::Type::DOUBLE:
      return FillSlots<double>(rows, slot_at, to,
                               [v = column.data()->GetValues<double>(1)](uint32_t row) { return v[row]; });
    case arrow::Type::BOOL:
      return FillSlots<int64_t>(rows, slot_at, to,
                                [&v = static_cast<const arrow::BooleanArray&>(column)](uint32_t row) {
                                  return v.Value(row) ? 1 : 0;
                                });
    default:  // INT64 and TIMESTAMP
      return FillSlots<int64_t>(rows, slot_at, to,
                                [v = column.data()->GetValues<int64_t>(1)](uint32_t row) { return v[row]; });
  }
}

void MarkNulls(const arrow::Array& column, size_t index, size_t slot_at, std::span<const uint32_t> rows,
               std::span<char* const> to) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!column.IsNull(rows[i])) continue;
    to[i][kRowHeaderSize + index / 8] |= static_cast<char>(1 << (index % 8));
    std::memset(to[i] + slot_at, 0, 8);  // whatever the column has under a null
  }
}

}  // namespace

RowPacker::RowPacker(const FeatureView& view, const OnlineBatch& batch) : view_(view), batch_(batch) {
  for (size_t i = 0; i < view.features.size(); ++i) {
    const ValueType type = view.features[i].type;
    if (!IsFixedWidth(type) ||
        !batch.features->column(static_cast<int>(i))->type()->Equals(*ArrowType(type, "")))
      return;
  }
  fixed_size_ = RowSlotsAt(view.features.size()) + view.features.size() * 8;
}

void RowPacker::PackHeader(uint32_t row, char* to) const {
  std::memset(to, 0, RowSlotsAt(view_.features.size()));
  to[0] = kRowVersion;
  const int64_t created_us = CreatedOf(batch_, row);
  std::memcpy(to + kRowEventAt, &batch_.event_us[row], 8);
  std::memcpy(to + kRowCreatedAt, &created_us, 8);
}

void RowPacker::PackFixed(std::span<const uint32_t> rows, std::span<char* const> to) const {
  for (size_t i = 0; i < rows.size(); ++i) PackHeader(rows[i], to[i]);
  for (size_t index = 0; index < view_.features.size(); ++index) {
    const arrow::Array& column = *batch_.features->column(static_cast<int>(index));
    const size_t slot_at = RowSlotsAt(view_.features.size()) + index * 8;
    FillColumn(column, rows, slot_at, to);
    if (column.null_count() > 0) MarkNulls(column, index, slot_at, rows, to);
  }
}

Status RowPacker::Pack(uint32_t row, std::string* out) const {
  ByteArena arena;
  std::vector<OnlineCell> cells(view_.features.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    SALVER_RETURN_NOT_OK(CellOf(*batch_.features->column(static_cast<int>(i)), row, view_.features[i].type,
                                &arena, &cells[i]));
  }
  EncodeRow({0, batch_.event_us[row], CreatedOf(batch_, row)}, cells, out);
  return Status::OK();
}

Result<PackedBatch> PackRows(const FeatureView& view, const OnlineBatch& batch,
                             std::span<const uint32_t> rows) {
  const RowPacker packer(view, batch);
  PackedBatch packed;
  std::vector<size_t> ends;
  if (packer.fixed_size() > 0) {
    packed.bytes.resize(packer.fixed_size() * rows.size());
    std::vector<char*> to(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      to[i] = packed.bytes.data() + i * packer.fixed_size();
      ends.push_back((i + 1) * packer.fixed_size());
    }
    packer.PackFixed(rows, to);
  } else {
    std::string one;
    for (const uint32_t row : rows) {
      SALVER_RETURN_NOT_OK(packer.Pack(row, &one));
      packed.bytes += one;
      ends.push_back(packed.bytes.size());
    }
  }
  for (size_t i = 0, start = 0; i < rows.size(); start = ends[i++]) {
    packed.keys.push_back(batch.keys[rows[i]]);
    packed.rows.push_back(std::string_view(packed.bytes).substr(start, ends[i] - start));
  }
  return packed;
}

}  // namespace salver
