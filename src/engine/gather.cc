#include "engine/gather.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "engine/scan.h"

namespace salver {

Result<std::vector<std::shared_ptr<arrow::ChunkedArray>>> GatherColumns(
    SourceReader* reader, const std::vector<std::string>& columns, std::span<const int64_t> positions) {
  const std::vector<int64_t> starts = RowGroupStarts(*reader);
  const auto group_of = [&](int64_t position) {
    return static_cast<size_t>(std::upper_bound(starts.begin(), starts.end(), position) - starts.begin()) - 1;
  };
  std::vector<bool> wanted(starts.size(), false);
  for (const int64_t position : positions) {
    if (position >= 0) wanted[group_of(position)] = true;
  }
  // Row number -> row of the table that is read: the row groups between are left out.
  std::vector<int> groups;
  std::vector<int64_t> shift(starts.size(), 0);
  int64_t read_rows = 0;
  for (size_t group = 0; group + 1 < starts.size(); ++group) {
    shift[group] = read_rows - starts[group];
    if (!wanted[group]) continue;
    groups.push_back(static_cast<int>(group));
    read_rows += starts[group + 1] - starts[group];
  }
  SALVER_ASSIGN(const auto table, reader->Read(groups, columns));
  arrow::Int64Builder builder;
  SALVER_RETURN_NOT_OK(FromArrow(builder.Reserve(static_cast<int64_t>(positions.size())), "gather"));
  for (const int64_t position : positions) {
    if (position < 0) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(position + shift[group_of(position)]);
    }
  }
  SALVER_ASSIGN(const auto indices, FromArrow(builder.Finish(), "gather"));
  std::vector<std::shared_ptr<arrow::ChunkedArray>> gathered;
  for (int i = 0; i < table->num_columns(); ++i) {
    SALVER_ASSIGN(const auto taken,
                  FromArrow(arrow::compute::Take(arrow::Datum(table->column(i)), arrow::Datum(indices),
                                                 arrow::compute::TakeOptions::NoBoundsCheck()),
                            "column \"" + columns[static_cast<size_t>(i)] + "\""));
    gathered.push_back(taken.is_array() ? std::make_shared<arrow::ChunkedArray>(taken.make_array())
                                        : taken.chunked_array());
  }
  return gathered;
}

}  // namespace salver
