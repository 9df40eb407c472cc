#include "engine/gather.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/table.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

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

Result<ArrayPtr> ReadColumn(SourceReader* reader, int group, const std::string& column) {
  SALVER_ASSIGN(const auto table, reader->Read(std::span(&group, 1), {column}));
  return OneChunk(*table->column(0));
}

// A bit for each position that is not -1.
std::shared_ptr<arrow::Buffer> BitsOf(std::span<const int64_t> positions) {
  auto bits = arrow::AllocateBuffer(static_cast<int64_t>((positions.size() + 7) / 8));
  if (!bits.ok()) throw std::bad_alloc();
  uint8_t* const to = (*bits)->mutable_data();
  for (size_t i = 0; i < positions.size(); i += 8) {
    uint8_t byte = 0;
    const size_t count = std::min<size_t>(8, positions.size() - i);
    for (size_t k = 0; k < count; ++k) byte |= static_cast<uint8_t>((positions[i + k] >= 0) << k);
    to[i / 8] = byte;
  }
  return std::move(*bits);
}

// Types whose array is a validity bitmap and one buffer of equal slots.
template <typename Word>
class FixedWidthGatherer final : public ColumnGatherer {
 public:
  FixedWidthGatherer(const SourceReader& reader, std::string column, const WantedRows& wanted,
                     AnswerMemory* memory)
      : column_(std::move(column)),
        type_(reader.schema()->GetFieldByName(column_)->type()),
        direct_(reader.IsFixedWidth(column_)),
        wanted_(wanted),
        values_(memory->Allocate(wanted.position_count() * sizeof(Word))),
        nulls_(wanted.groups().size()) {}

  Status Add(size_t i, SourceReader* reader, ReadScratch* scratch) override {
    const int group = wanted_.groups()[i];
    const PickedRows picked = wanted_.picked(i);
    auto* const values = reinterpret_cast<Word*>(values_->mutable_data());
    if (direct_) return reader->GatherFixed(group, column_, picked, scratch, values, &nulls_[i]);
    SALVER_ASSIGN(const auto array, ReadColumn(reader, group, column_));
    const Word* from = array->data()->template GetValues<Word>(1);
    const bool nulls = array->null_count() > 0;
    for (size_t k = 0; k < picked.rows.size(); ++k) {
      if (nulls && array->IsNull(picked.rows[k])) {
        nulls_[i].push_back(picked.targets[k]);
      } else {
        values[picked.targets[k]] = from[picked.rows[k]];
      }
    }
    return Status::OK();
  }

  Result<ArrayPtr> Finish() override {
    size_t nulls = wanted_.position_count() - wanted_.matched();
    SALVER_ASSIGN(const auto bits, Validity(&nulls));
    return arrow::MakeArray(arrow::ArrayData::Make(type_, static_cast<int64_t>(wanted_.position_count()),
                                                   {bits, std::move(values_)}, static_cast<int64_t>(nulls)));
  }

 private:
  const std::string column_;
  const std::shared_ptr<arrow::DataType> type_;
  // The bits of what was wanted, less the nulls among the values; adds those to `nulls`.
  Result<std::shared_ptr<arrow::Buffer>> Validity(size_t* nulls) const {
    size_t more = 0;
    for (const auto& some : nulls_) more += some.size();
    if (more == 0) return wanted_.bits();
    *nulls += more;
    const int64_t count = static_cast<int64_t>(wanted_.position_count());
    SALVER_ASSIGN(std::shared_ptr<arrow::Buffer> bits, FromArrow(arrow::AllocateBitmap(count), "gather"));
    if (wanted_.bits() != nullptr) {
      std::memcpy(bits->mutable_data(), wanted_.bits()->data(), static_cast<size_t>(wanted_.bits()->size()));
    } else {
      arrow::bit_util::SetBitsTo(bits->mutable_data(), 0, count, true);
    }
    for (const auto& some : nulls_) {
      for (const uint32_t target : some) arrow::bit_util::ClearBit(bits->mutable_data(), target);
    }
    return bits;
  }

  const bool direct_;
  const WantedRows& wanted_;
  std::shared_ptr<arrow::Buffer> values_;
  std::vector<std::vector<uint32_t>> nulls_;  // of each row group, where its null values go
};

class AnyGatherer final : public ColumnGatherer {
 public:
  AnyGatherer(const SourceReader& reader, std::string column, const WantedRows& wanted)
      : column_(std::move(column)),
        type_(reader.schema()->GetFieldByName(column_)->type()),
        wanted_(wanted),
        pieces_(wanted.groups().size()) {}

  Status Add(size_t i, SourceReader* reader, ReadScratch*) override {
    SALVER_ASSIGN(const auto array, ReadColumn(reader, wanted_.groups()[i], column_));
    const auto rows = wanted_.picked(i).rows;
    const auto indices = std::make_shared<arrow::UInt32Array>(static_cast<int64_t>(rows.size()),
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
      for (const uint32_t target : wanted_.picked(i).targets) order[target] = next++;
    }
    arrow::Int64Builder indices;
    SALVER_RETURN_NOT_OK(FromArrow(indices.Reserve(count), "gather"));
    for (const int64_t index : order) index < 0 ? indices.UnsafeAppendNull() : indices.UnsafeAppend(index);
    SALVER_ASSIGN(const auto index_array, FromArrow(indices.Finish(), "gather"));
    return TakeRows(*joined, index_array);
  }

 private:
  const std::string column_;
  const std::shared_ptr<arrow::DataType> type_;
  const WantedRows& wanted_;
  arrow::ArrayVector pieces_;
};

struct Wanted {
  uint32_t offset;  // of the position in its block
  uint32_t target;
};

constexpr int kBlockBits = 8;

// Puts the rows of a block in order: by counting where there are many, else by comparing.
void SortBlock(std::span<Wanted> block, std::vector<Wanted>* scratch) {
  constexpr size_t kMany = 48;
  const auto before = [](const Wanted& a, const Wanted& b) { return a.offset < b.offset; };
  if (block.size() < kMany) return std::sort(block.begin(), block.end(), before);
  std::array<uint32_t, (size_t{1} << kBlockBits) + 1> places{};
  for (const Wanted& one : block) ++places[one.offset + 1];
  std::partial_sum(places.begin(), places.end(), places.begin());
  scratch->resize(block.size());
  for (const Wanted& one : block) (*scratch)[places[one.offset]++] = one;
  std::copy(scratch->begin(), scratch->end(), block.begin());
}

}  // namespace

WantedRows::WantedRows(std::span<const int64_t> positions, std::span<const int64_t> group_starts)
    : position_count_(positions.size()) {
  const bool sorted =
      std::is_sorted(positions.begin(), positions.end()) && (positions.empty() || positions[0] >= 0);
  sorted ? TakeSorted(positions, group_starts) : Sort(positions, group_starts);
  if (!groups_.empty()) starts_.push_back(rows_.size());
  if (matched() < positions.size()) bits_ = BitsOf(positions);
}

void WantedRows::BeginGroup(int group, size_t at) {
  if (!groups_.empty()) starts_.push_back(at);
  groups_.push_back(group);
}

void WantedRows::TakeSorted(std::span<const int64_t> positions, std::span<const int64_t> group_starts) {
  rows_.resize(positions.size());
  targets_.resize(positions.size());
  std::iota(targets_.begin(), targets_.end(), 0u);
  size_t group = 0;
  for (size_t i = 0; i < positions.size();) {
    while (positions[i] >= group_starts[group + 1]) ++group;
    BeginGroup(static_cast<int>(group), i);
    const int64_t begin = group_starts[group], end = group_starts[group + 1];
    for (; i < positions.size() && positions[i] < end; ++i)
      rows_[i] = static_cast<uint32_t>(positions[i] - begin);
  }
}

// A counting sort by blocks of the source, then each block by itself: the blocks are small.
void WantedRows::Sort(std::span<const int64_t> positions, std::span<const int64_t> group_starts) {
  std::vector<uint32_t> next(static_cast<size_t>(group_starts.back() >> kBlockBits) + 2, 0);
  for (const int64_t position : positions) {
    if (position >= 0) ++next[static_cast<size_t>(position >> kBlockBits) + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  LargeVector<Wanted> sorted(next.back());
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0) continue;
    sorted[next[static_cast<size_t>(positions[i] >> kBlockBits)]++] = {
        static_cast<uint32_t>(positions[i] & ((1 << kBlockBits) - 1)), static_cast<uint32_t>(i)};
  }
  rows_.resize(sorted.size());
  targets_.resize(sorted.size());
  std::vector<Wanted> scratch;
  size_t group = 0;
  // After the pass next[block] is the end of the block.
  for (size_t block = 0, begin = 0; block + 1 < next.size(); begin = next[block++]) {
    SortBlock(std::span(sorted).subspan(begin, next[block] - begin), &scratch);
    for (size_t i = begin; i < next[block]; ++i) {
      const int64_t position = (static_cast<int64_t>(block) << kBlockBits) + sorted[i].offset;
      while (position >= group_starts[group + 1]) ++group;
      if (groups_.empty() || groups_.back() != static_cast<int>(group))
        BeginGroup(static_cast<int>(group), i);
      rows_[i] = static_cast<uint32_t>(position - group_starts[group]);
      targets_[i] = sorted[i].target;
    }
  }
}

std::unique_ptr<ColumnGatherer> NewColumnGatherer(const SourceReader& reader, const std::string& column,
                                                  const WantedRows& wanted, AnswerMemory* memory) {
  const auto type = reader.schema()->GetFieldByName(column)->type();
  const bool one_slot = arrow::is_primitive(type->id()) && type->id() != arrow::Type::BOOL;
  switch (one_slot ? type->byte_width() : 0) {
    case 1:
      return std::make_unique<FixedWidthGatherer<uint8_t>>(reader, column, wanted, memory);
    case 2:
      return std::make_unique<FixedWidthGatherer<uint16_t>>(reader, column, wanted, memory);
    case 4:
      return std::make_unique<FixedWidthGatherer<uint32_t>>(reader, column, wanted, memory);
    case 8:
      return std::make_unique<FixedWidthGatherer<uint64_t>>(reader, column, wanted, memory);
    default:
      return std::make_unique<AnyGatherer>(reader, column, wanted);
  }
}

Result<std::vector<ArrayPtr>> GatherColumns(SourceReader* reader, const std::vector<std::string>& columns,
                                            std::span<const int64_t> positions, int threads) {
  const WantedRows wanted(positions, RowGroupStarts(*reader));
  AnswerMemory memory;
  std::vector<std::unique_ptr<ColumnGatherer>> gatherers;
  for (const std::string& column : columns) {
    gatherers.push_back(NewColumnGatherer(*reader, column, wanted, &memory));
  }
  std::vector<ReadScratch> scratch(static_cast<size_t>(ThreadCount(threads)));
  const size_t groups = wanted.groups().size();
  SALVER_RETURN_NOT_OK(
      ParallelForWorkers(groups * columns.size(), threads, [&](size_t i, size_t worker) -> Status {
        return gatherers[i / groups]->Add(i % groups, reader, &scratch[worker]);
      }));
  std::vector<ArrayPtr> gathered;
  for (const auto& gatherer : gatherers) {
    SALVER_ASSIGN(auto array, gatherer->Finish());
    gathered.push_back(std::move(array));
  }
  return gathered;
}

}  // namespace salver
