#include "kernel/key_dictionary.h"

#include <arrow/array.h>
#include <xxhash.h>

namespace salver {
namespace {

// Appends a value so that different rows give different bytes: fixed-width values as they are, others after
// their size.
void AppendKeyBytes(const arrow::Array& column, int64_t row, std::string* out) {
  const auto number = [out](const void* value, size_t size) {
    out->append(static_cast<const char*>(value), size);
  };
  switch (column.type_id()) {
    case arrow::Type::INT64:
    case arrow::Type::TIMESTAMP: {
      const int64_t value = static_cast<const arrow::Int64Array&>(column).Value(row);
      return number(&value, sizeof value);
    }
    case arrow::Type::INT32: {
      const int32_t value = static_cast<const arrow::Int32Array&>(column).Value(row);
      return number(&value, sizeof value);
    }
    default: {
      const std::string_view text = static_cast<const arrow::BinaryArray&>(column).GetView(row);
      const uint64_t size = text.size();
      number(&size, sizeof size);
      out->append(text);
    }
  }
}

}  // namespace

size_t KeyDictionary::BytesHash::operator()(std::string_view bytes) const {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::vector<int32_t> KeyDictionary::Ids(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows,
                                        bool add) {
  std::vector<int32_t> ids(static_cast<size_t>(rows), -1);
  if (columns_ == 0) {
    std::fill(ids.begin(), ids.end(), 0);
    return ids;
  }
  if (integers_) {
    const auto& values = static_cast<const arrow::Int64Array&>(*columns[0]);
    for (int64_t row = 0; row < rows; ++row) {
      if (values.IsNull(row)) continue;
      if (add) {
        ids[row] = by_integer_.try_emplace(values.Value(row), static_cast<int32_t>(by_integer_.size()))
                       .first->second;
      } else if (const auto found = by_integer_.find(values.Value(row)); found != by_integer_.end()) {
        ids[row] = found->second;
      }
    }
    return ids;
  }
  std::string key;
  for (int64_t row = 0; row < rows; ++row) {
    key.clear();
    bool null = false;
    for (const auto& column : columns) {
      null = null || column->IsNull(row);
      if (!null) AppendKeyBytes(*column, row, &key);
    }
    if (null) continue;
    if (const auto found = by_bytes_.find(std::string_view(key)); found != by_bytes_.end()) {
      ids[row] = found->second;
    } else if (add) {
      ids[row] = static_cast<int32_t>(by_bytes_.size());
      by_bytes_.emplace(key, ids[row]);
    }
  }
  return ids;
}

}  // namespace salver
