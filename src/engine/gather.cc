#include "engine/gather.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/table.h>
#include <arrow/util/bitmap_builders.h>

#include <algorithm>
#include <cstring>

#include "base/arrow_status.h"
#include "base/parallel.h"
#include "engine/scan.h"

namespace salver {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

Result<ArrayPtr> OneChunk(const arrow::ChunkedArray& column) {
  if (column.num_chunks() == 1) return column.chunk(0);
  if (column.num_chunks() == 0) return FromArrow(arrow::MakeEmptyArray(column.type()), "gather");
  return FromArrow(arrow::Concatenate(column.chunks()), "gather");
}

Result<ArrayPtr> TakeRows(const arrow::Array& array, const ArrayPtr& indices) {
  SALVER_ASSIGN(const auto taken,
                FromArrow(arrow::compute::Take(array, *indices, arrow::compute::TakeOptions::NoBoundsCheck()),
                          "gather"));
  return taken;
}

// Values of `Word`s size each; types whose array is a validity bitmap and one buffer of equal slots.
template <typename Word>
class FixedWidthGatherer final : public ColumnGatherer {
 public:
  FixedWidthGatherer(std::shared_ptr<arrow::DataType> type, const WantedRows& wanted)
      : type_(std::move(type)), wanted_(wanted) {}

  Status Allocate() {
    const int64_t count = static_cast<int64_t>(wanted_.position_count());
    SALVER_ASSIGN(auto buffer,
                  FromArrow(arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(Word))), "gather"));
    values_ = std::move(buffer);
    std::memset(values_->mutable_data(), 0, static_cast<size_t>(values_->size()));
    valid_.assign(static_cast<size_t>(count), 0);
    return Status::OK();
  }

  Status Add(size_t i, const arrow::ChunkedArray& column) override {
    SALVER_ASSIGN(const auto array, OneChunk(column));
    const auto rows = wanted_.rows(i), targets = wanted_.targets(i);
    const Word* from = array->data()->GetValues<Word>(1);
    Word* to = values_->mutable_data_as<Word>();
    const bool nulls = array->null_count() > 0;
    for (size_t k = 0; k < rows.size(); ++k) {
      if (nulls && array->IsNull(rows[k])) continue;
      to[targets[k]] = from[rows[k]];
      valid_[static_cast<size_t>(targets[k])] = 1;
    }
    return Status::OK();
  }

  Result<ArrayPtr> Finish() override {
    const int64_t count = static_cast<int64_t>(valid_.size());
    const int64_t nulls = std::count(valid_.begin(), valid_.end(), 0);
    std::shared_ptr<arrow::Buffer> validity;
    if (nulls > 0) {
      SALVER_ASSIGN(validity, FromArrow(arrow::internal::BytesToBits(valid_), "gather"));
    }
    return arrow::MakeArray(arrow::ArrayData::Make(type_, count, {std::move(validity), values_}, nulls));
  }

 private:
  const std::shared_ptr<arrow::DataType> type_;
  const WantedRows& wanted_;
  std::shared_ptr<arrow::Buffer> values_;
  std::vector<uint8_t> valid_;  // a byte a value, so that threads do not share a word
};

class AnyGatherer final : public ColumnGatherer {
 public:
  AnyGatherer(std::shared_ptr<arrow::DataType> type, const WantedRows& wanted)
      : type_(std::move(type)), wanted_(wanted), pieces_(wanted.groups().size()) {}

  Status Add(size_t i, const arrow::ChunkedArray& column) override {
    SALVER_ASSIGN(const auto array, OneChunk(column));
    const auto rows = wanted_.rows(i);
    const auto indices = std::make_shared<arrow::Int64Array>(static_cast<int64_t>(rows.size()),
                                                             arrow::Buffer::Wrap(rows.data(), rows.size()));
    SALVER_ASSIGN(pieces_[i], TakeRows(*array, indices));
    return Status::OK();
  }

  Result<ArrayPtr> Finish() override {
    const int64_t count = static_cast<int64_t>(wanted_.position_count());
    if (pieces_.empty()) return FromArrow(arrow::MakeArrayOfNull(type_, count), "gather");
    SALVER_ASSIGN(const auto joined, FromArrow(arrow::Concatenate(pieces_), "gather"));
    pieces_.clear();
    std::vector<int64_t> order(static_cast<size_t>(count), -1);
    int64_t next = 0;
    for (size_t i = 0; i < wanted_.groups().size(); ++i) {
      for (const int64_t target : wanted_.targets(i)) order[static_cast<size_t>(target)] = next++;
    }
    arrow::Int64Builder indices;
    SALVER_RETURN_NOT_OK(FromArrow(indices.Reserve(count), "gather"));
    for (const int64_t index : order) index < 0 ? indices.UnsafeAppendNull() : indices.UnsafeAppend(index);
    SALVER_ASSIGN(const auto index_array, FromArrow(indices.Finish(), "gather"));
    return TakeRows(*joined, index_array);
  }

 private:
  const std::shared_ptr<arrow::DataType> type_;
  const WantedRows& wanted_;
  arrow::ArrayVector pieces_;
};

template <typename Word>
Result<std::unique_ptr<ColumnGatherer>> NewFixedWidth(std::shared_ptr<arrow::DataType> type,
                                                      const WantedRows& wanted) {
  auto gatherer = std::make_unique<FixedWidthGatherer<Word>>(std::move(type), wanted);
  SALVER_RETURN_NOT_OK(gatherer->Allocate());
  return std::unique_ptr<ColumnGatherer>(std::move(gatherer));
}

}  // namespace

WantedRows::WantedRows(std::span<const int64_t> positions, std::span<const int64_t> group_starts)
    : position_count_(positions.size()) {
  const auto group_of = [&](int64_t position) {
    return static_cast<size_t>(std::upper_bound(group_starts.begin(), group_starts.end(), position) -
                               group_starts.begin()) -
           1;
  };
  std::vector<size_t> counts(group_starts.size(), 0);
  for (const int64_t position : positions) {
    if (position >= 0) ++counts[group_of(position)];
  }
  std::vector<size_t> next(group_starts.size(), 0);
  size_t total = 0;
  for (size_t group = 0; group < counts.size(); ++group) {
    next[group] = total;
    if (counts[group] == 0) continue;
    total += counts[group];
    groups_.push_back(static_cast<int>(group));
    starts_.push_back(total);
  }
  rows_.resize(total);
  targets_.resize(total);
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0) continue;
    const size_t group = group_of(positions[i]), to = next[group]++;
    rows_[to] = positions[i] - group_starts[group];
    targets_[to] = static_cast<int64_t>(i);
  }
}

Result<std::unique_ptr<ColumnGatherer>> NewColumnGatherer(std::shared_ptr<arrow::DataType> type,
                                                          const WantedRows& wanted) {
  const bool one_slot = arrow::is_primitive(type->id()) && type->id() != arrow::Type::BOOL;
  switch (one_slot ? type->byte_width() : 0) {
    case 1:
      return NewFixedWidth<uint8_t>(std::move(type), wanted);
    case 2:
      return NewFixedWidth<uint16_t>(std::move(type), wanted);
    case 4:
      return NewFixedWidth<uint32_t>(std::move(type), wanted);
    case 8:
      return NewFixedWidth<uint64_t>(std::move(type), wanted);
    default:
      return std::unique_ptr<ColumnGatherer>(std::make_unique<AnyGatherer>(std::move(type), wanted));
  }
}

Result<std::vector<ArrayPtr>> GatherColumns(SourceReader* reader, const std::vector<std::string>& columns,
                                            std::span<const int64_t> positions, int threads) {
  const WantedRows wanted(positions, RowGroupStarts(*reader));
  std::vector<std::unique_ptr<ColumnGatherer>> gatherers;
  for (const std::string& column : columns) {
    SALVER_ASSIGN(auto gatherer, NewColumnGatherer(reader->schema()->GetFieldByName(column)->type(), wanted));
    gatherers.push_back(std::move(gatherer));
  }
  SALVER_RETURN_NOT_OK(ParallelFor(wanted.groups().size(), threads, [&](size_t i) -> Status {
    SALVER_ASSIGN(const auto table, reader->Read(std::span(&wanted.groups()[i], 1), columns));
    for (size_t k = 0; k < gatherers.size(); ++k)
      SALVER_RETURN_NOT_OK(gatherers[k]->Add(i, *table->column(static_cast<int>(k))));
    return Status::OK();
  }));
  std::vector<ArrayPtr> gathered;
  for (const auto& gatherer : gatherers) {
    SALVER_ASSIGN(auto array, gatherer->Finish());
    gathered.push_back(std::move(array));
  }
  return gathered;
}

}  // namespace salver
