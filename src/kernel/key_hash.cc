#include "kernel/key_hash.h"

#include <arrow/array.h>
#include <xxhash.h>

#include <algorithm>

namespace salver {
namespace {

// Appends a value so that different rows give different bytes: fixed-width values as they are, others after
// their size.
void AppendKeyBytes(const arrow::Array& column, int64_t row, std::string* out) {
  const auto number = [&](auto value) { out->append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto fixed = [&](const auto& array) { number(array.Value(row)); };
  const auto sized = [&](const auto& array) {
    const std::string_view text = array.GetView(row);
    const uint64_t size = text.size();
    out->append(reinterpret_cast<const char*>(&size), sizeof size);
    out->append(text);
  };
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      return fixed(static_cast<const arrow::BooleanArray&>(column));
    case arrow::Type::FLOAT:
      return fixed(static_cast<const arrow::FloatArray&>(column));
    case arrow::Type::DOUBLE:
      return fixed(static_cast<const arrow::DoubleArray&>(column));
    case arrow::Type::INT32:
      return number(column.data()->GetValues<int32_t>(1)[row]);
    case arrow::Type::INT64:
    case arrow::Type::TIMESTAMP:
      return number(column.data()->GetValues<int64_t>(1)[row]);
    case arrow::Type::LARGE_STRING:
      return sized(static_cast<const arrow::LargeStringArray&>(column));
    default:
      return sized(static_cast<const arrow::BinaryArray&>(column));
  }
}

// One to one, and every bit of the number reaches every bit of the hash (the finalizer of MurmurHash3).
uint64_t Mixed(uint64_t number) {
  number = (number ^ number >> 33) * 0xff51afd7ed558ccdULL;
  number = (number ^ number >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return number ^ number >> 33;
}

template <typename T>
void HashNumbers(const arrow::Array& column, LargeVector<KeyHash>* hashes, std::vector<uint8_t>* valid) {
  const T* values = column.data()->GetValues<T>(1);
  for (size_t row = 0; row < hashes->size(); ++row)
    (*hashes)[row] = {Mixed(static_cast<uint64_t>(int64_t{values[row]})), 0};
  for (size_t row = 0; column.null_count() > 0 && row < hashes->size(); ++row)
    (*valid)[row] = column.IsValid(static_cast<int64_t>(row));
}

}  // namespace

bool KeyBytes(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t row, std::string* key) {
  key->clear();
  for (const auto& column : columns) {
    if (column->IsNull(row)) return false;
    AppendKeyBytes(*column, row, key);
  }
  return true;
}

void HashKeys(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows,
              LargeVector<KeyHash>* hashes, std::vector<uint8_t>* valid) {
  hashes->resize(static_cast<size_t>(rows));
  valid->assign(static_cast<size_t>(rows), 1);
  if (columns.empty()) return std::fill(hashes->begin(), hashes->end(), KeyHash{0, 0});
  if (columns.size() == 1) {
    const auto type = columns[0]->type_id();
    if (type == arrow::Type::INT32) return HashNumbers<int32_t>(*columns[0], hashes, valid);
    if (type == arrow::Type::INT64 || type == arrow::Type::TIMESTAMP)
      return HashNumbers<int64_t>(*columns[0], hashes, valid);
  }
  std::string key;
  for (size_t row = 0; row < hashes->size(); ++row) {
    (*valid)[row] = KeyBytes(columns, static_cast<int64_t>(row), &key);
    const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
    (*hashes)[row] = {hash.low64, hash.high64};
  }
}

}  // namespace salver
