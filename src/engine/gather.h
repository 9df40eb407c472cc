// The second pass over a source: the wanted columns of the row groups that hold wanted rows, and nothing
// else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/large_vector.h"
#include "engine/answer_memory.h"
#include "salver/source_reader.h"
#include "salver/status.h"

namespace arrow {
class Array;
class Buffer;
}  // namespace arrow

namespace salver {

// Positions (row numbers in a source, -1 for none) in the order of the source, by the row group they lie in.
// A source has up to 2^32 rows a row group, an answer up to 2^32 rows.
class WantedRows {
 public:
  // `group_starts` as RowGroupStarts gives them.
  WantedRows(std::span<const int64_t> positions, std::span<const int64_t> group_starts);

  // Row groups that hold a wanted row, ascending.
  const std::vector<int>& groups() const { return groups_; }
  // Of the i-th of groups(): rows within the row group, ascending, and which of the positions each answers.
  PickedRows picked(size_t i) const {
    const size_t begin = starts_[i], count = starts_[i + 1] - begin;
    return {std::span(rows_).subspan(begin, count), std::span(targets_).subspan(begin, count)};
  }
  size_t position_count() const { return position_count_; }
  // A bit for each position that is not -1; null when none is. Columns without nulls share it.
  const std::shared_ptr<arrow::Buffer>& bits() const { return bits_; }
  size_t matched() const { return rows_.size(); }  // positions that are not -1

 private:
  void TakeSorted(std::span<const int64_t> positions, std::span<const int64_t> group_starts);
  void Sort(std::span<const int64_t> positions, std::span<const int64_t> group_starts);
  void BeginGroup(int group, size_t at);

  size_t position_count_;
  std::shared_ptr<arrow::Buffer> bits_;
  std::vector<int> groups_;
  std::vector<size_t> starts_ = {0};
  LargeVector<uint32_t> rows_, targets_;
};

// Gathers one column, a row group at a time. Fixed-width values go straight to their place; others are taken
// per row group and put in order at the end. Thread safety: Add from any thread for different groups; Finish
// after all of them.
class ColumnGatherer {
 public:
  virtual ~ColumnGatherer() = default;
  // Reads what is wanted of the i-th of wanted.groups().
  virtual Status Add(size_t i, SourceReader* reader, ReadScratch* scratch) = 0;
  // position_count() values; null where the position is -1.
  virtual Result<std::shared_ptr<arrow::Array>> Finish() = 0;
};
// `wanted` must outlive the gatherer; `memory` is of the columns that are gathered together.
std::unique_ptr<ColumnGatherer> NewColumnGatherer(const SourceReader& reader, const std::string& column,
                                                  const WantedRows& wanted, AnswerMemory* memory);

// All of it at once: for each of `columns` its values at `positions`.
Result<std::vector<std::shared_ptr<arrow::Array>>> GatherColumns(SourceReader* reader,
                                                                 const std::vector<std::string>& columns,
                                                                 std::span<const int64_t> positions,
                                                                 int threads);

}  // namespace salver
