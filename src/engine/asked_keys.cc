#include "engine/asked_keys.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/table.h>

#include "base/arrow_status.h"

namespace salver {

Result<std::vector<std::shared_ptr<arrow::Array>>> DistinctKeys(
    std::span<const std::shared_ptr<arrow::Array>> columns, std::span<const int32_t> ids, int32_t key_count) {
  const std::string what = "keys of the entity rows";
  std::vector<bool> seen(static_cast<size_t>(key_count));
  arrow::Int64Builder first_rows;
  SALVER_RETURN_NOT_OK(FromArrow(first_rows.Reserve(key_count), what));
  for (size_t row = 0; row < ids.size(); ++row) {
    if (ids[row] < 0 || seen[static_cast<size_t>(ids[row])]) continue;
    seen[static_cast<size_t>(ids[row])] = true;
    first_rows.UnsafeAppend(static_cast<int64_t>(row));
  }
  SALVER_ASSIGN(const auto rows, FromArrow(first_rows.Finish(), what));
  std::vector<std::shared_ptr<arrow::Array>> distinct;
  for (const auto& column : columns) {
    SALVER_ASSIGN(auto taken, FromArrow(arrow::compute::Take(*column, *rows), what));
    distinct.push_back(std::move(taken));
  }
  return distinct;
}

std::shared_ptr<arrow::Table> KeyTable(std::span<const std::string> names,
                                       std::span<const std::shared_ptr<arrow::Array>> columns) {
  arrow::FieldVector fields;
  for (size_t i = 0; i < names.size(); ++i) fields.push_back(arrow::field(names[i], columns[i]->type()));
  return arrow::Table::Make(arrow::schema(std::move(fields)),
                            arrow::ArrayVector(columns.begin(), columns.end()));
}

}  // namespace salver
