// From Arrow columns to packed rows (packed_row.h): column by column where all features have a fixed width,
// as most have.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "salver/feature_view.h"
#include "salver/online_store.h"

namespace salver {

// Packs rows of one batch. `view` and what `batch` points to must outlive it; its keys are not looked at.
// Thread safety: const methods from any thread.
class RowPacker {
 public:
  RowPacker(const FeatureView& view, const OnlineBatch& batch);

  // The size of every packed row, or 0 when it differs from row to row.
  size_t fixed_size() const { return fixed_size_; }
  // With a fixed size: packs rows[i] to to[i], `fixed_size` bytes each.
  void PackFixed(std::span<const uint32_t> rows, std::span<char* const> to) const;
  // Any row; replaces `out`.  Errors: InvalidArgument for a value that has no packed form.
  Status Pack(uint32_t row, std::string* out) const;

 private:
  void PackHeader(uint32_t row, char* to) const;

  const FeatureView& view_;
  const OnlineBatch& batch_;
  size_t fixed_size_ = 0;
};

// The rows of a batch, packed, with their keys.
struct PackedBatch {
  std::string bytes;
  std::vector<std::string_view> keys, rows;
  PackedRows view() const { return {keys, rows}; }
};

Result<PackedBatch> PackRows(const FeatureView& view, const OnlineBatch& batch,
                             std::span<const uint32_t> rows);

}  // namespace salver
