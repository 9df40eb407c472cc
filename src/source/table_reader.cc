#include "source/table_reader.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <cstring>

#include "base/arrow_status.h"
#include "base/nearest.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
constexpr int64_t kGroupRows = 1 << 20;

int64_t UnitsASecond(const arrow::DataType& type) {
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      return 1'000'000'000;
  }
  return 1;
}

// Smallest and largest microsecond of a timestamp column, rounded outwards; left alone where one does not
// fit.
void SetTimeRange(const arrow::ChunkedArray& column, RowGroup* group) {
  const int64_t units = UnitsASecond(*column.type());
  const int64_t multiply = std::max<int64_t>(1'000'000 / units, 1),
                divide = std::max<int64_t>(units / 1'000'000, 1);
  int64_t smallest = INT64_MAX, largest = INT64_MIN;
  for (const auto& chunk : column.chunks()) {
    const auto& times = static_cast<const arrow::TimestampArray&>(*chunk);
    for (int64_t row = 0; row < times.length(); ++row) {
      if (times.IsNull(row)) continue;
      smallest = std::min(smallest, times.Value(row));
      largest = std::max(largest, times.Value(row));
    }
  }
  int64_t min_us = 0, max_us = 0;
  if (smallest > largest || __builtin_mul_overflow(smallest / divide, multiply, &min_us) ||
      __builtin_mul_overflow(largest / divide, multiply, &max_us))
    return;
  group->min_event_us = smallest % divide < 0 ? min_us - 1 : min_us;
  group->max_event_us = largest % divide > 0 ? max_us + 1 : max_us;
}

class TableReader final : public SourceReader {
 public:
  TableReader(TablePtr table, const std::string& event_column)
      : table_(std::move(table)), schema_(table_->schema()->RemoveMetadata()) {
    const int event = schema_->GetFieldIndex(event_column);
    const bool has_times = event >= 0 && schema_->field(event)->type()->id() == arrow::Type::TIMESTAMP;
    for (int64_t at = 0; at < table_->num_rows(); at += kGroupRows) {
      slices_.push_back(table_->Slice(at, kGroupRows));
      RowGroup& group = groups_.emplace_back();
      group.rows = slices_.back()->num_rows();
      for (const auto& column : slices_.back()->columns()) group.compressed_bytes += BytesOf(*column);
      if (has_times) SetTimeRange(*slices_.back()->column(event), &group);
    }
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  const std::vector<RowGroup>& row_groups() const override { return groups_; }
  int file_count() const override { return 0; }

  Result<TablePtr> Read(std::span<const int> groups, const std::vector<std::string>& columns) override {
    std::vector<int> indices;
    for (const std::string& column : columns) {
      indices.push_back(schema_->GetFieldIndex(column));
      if (indices.back() >= 0) continue;
      return Status::InvalidArgument(
          "the rows have no column \"" + column + "\"." + NearestNameHint(column, schema_->field_names()),
          Reason::kMissingColumns);
    }
    std::vector<TablePtr> parts = {table_->Slice(0, 0)};  // the schema where no group is asked for
    for (const int group : groups) parts.push_back(slices_[static_cast<size_t>(group)]);
    SALVER_ASSIGN(const auto all, FromArrow(arrow::ConcatenateTables(parts), "rows in memory"));
    return FromArrow(all->SelectColumns(indices), "rows in memory");
  }

  Result<int64_t> ColumnBytes(int group, const std::string& column) const override {
    const auto found = slices_[static_cast<size_t>(group)]->GetColumnByName(column);
    return found == nullptr ? int64_t{0} : BytesOf(*found);
  }

  bool IsFixedWidth(const std::string& column) const override {
    const auto field = schema_->GetFieldByName(column);
    return field != nullptr && Width(*field->type()) > 0;
  }

  Result<bool> ReadFixed(int group, const std::string& column, ReadScratch*, void* values,
                         uint8_t* valid) override {
    const auto found = slices_[static_cast<size_t>(group)]->GetColumnByName(column);
    const size_t width = Width(*found->type());
    auto* to = static_cast<uint8_t*>(values);
    const bool nulls = found->null_count() > 0;
    for (const auto& chunk : found->chunks()) {
      const auto rows = static_cast<size_t>(chunk->length());
      if (rows > 0) std::memcpy(to, Bytes(*chunk, width), rows * width);
      to += rows * width;
      for (size_t row = 0; nulls && row < rows; ++row) *valid++ = chunk->IsValid(static_cast<int64_t>(row));
    }
    return nulls;
  }

  Status GatherFixed(int group, const std::string& column, const PickedRows& picked, ReadScratch*,
                     void* values, std::vector<uint32_t>* nulls) override {
    const auto found = slices_[static_cast<size_t>(group)]->GetColumnByName(column);
    const size_t width = Width(*found->type());
    auto* to = static_cast<uint8_t*>(values);
    size_t at = 0;
    int64_t first = 0;  // row of the group that the chunk starts with
    for (const auto& chunk : found->chunks()) {
      const int64_t end = first + chunk->length();
      for (; at < picked.rows.size() && picked.rows[at] < end; ++at) {
        const int64_t row = picked.rows[at] - first;
        const uint32_t target = picked.targets[at];
        if (chunk->IsNull(row)) {
          nulls->push_back(target);
        } else {
          std::memcpy(to + target * width, Bytes(*chunk, width) + static_cast<size_t>(row) * width, width);
        }
      }
      first = end;
    }
    return Status::OK();
  }

 private:
  static int64_t BytesOf(const arrow::ChunkedArray& column) {
    return arrow::util::ReferencedBufferSize(column).ValueOr(0);
  }

  // Bytes of a value that is read by its width, 0 for all others.
  static size_t Width(const arrow::DataType& type) {
    switch (type.id()) {
      case arrow::Type::INT32:
      case arrow::Type::UINT32:
      case arrow::Type::FLOAT:
      case arrow::Type::DATE32:
      case arrow::Type::TIME32:
        return 4;
      case arrow::Type::INT64:
      case arrow::Type::UINT64:
      case arrow::Type::DOUBLE:
      case arrow::Type::DATE64:
      case arrow::Type::TIME64:
      case arrow::Type::TIMESTAMP:
      case arrow::Type::DURATION:
        return 8;
      default:
        return 0;
    }
  }

  static const uint8_t* Bytes(const arrow::Array& array, size_t width) {
    return array.data()->buffers[1]->data() + static_cast<size_t>(array.offset()) * width;
  }

  const TablePtr table_;
  const std::shared_ptr<arrow::Schema> schema_;
  std::vector<TablePtr> slices_;
  std::vector<RowGroup> groups_;
};

}  // namespace

std::unique_ptr<SourceReader> NewTableReader(std::shared_ptr<arrow::Table> table,
                                             const std::string& event_column) {
  return std::make_unique<TableReader>(std::move(table), event_column);
}

}  // namespace salver
