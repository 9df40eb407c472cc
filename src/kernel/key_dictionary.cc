#include "kernel/key_dictionary.h"

#include <arrow/array.h>
#include <xxhash.h>

#include <algorithm>

#include "kernel/key_hash.h"

namespace salver {
namespace {

int64_t HashOf(std::string_view bytes) {
  return static_cast<int64_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

// Calls use(number_of), where number_of(row) is the value of a column that KeyDictionary keeps as numbers.
template <typename Use>
void WithNumbers(const arrow::Array& column, Use use) {
  if (column.type_id() == arrow::Type::INT32) {
    use([values = column.data()->GetValues<int32_t>(1)](int64_t row) { return int64_t{values[row]}; });
  } else {
    use([values = column.data()->GetValues<int64_t>(1)](int64_t row) { return values[row]; });
  }
}

}  // namespace

KeyDictionary::KeyDictionary(std::span<const Field> join_keys) : columns_(join_keys.size()) {
  if (columns_ != 1) return;
  const ValueType type = join_keys[0].type;
  numbers_ = type == ValueType::kInt64 || type == ValueType::kInt32 || type == ValueType::kUnixTimestamp;
}

bool KeyDictionary::IsSupported(ValueType type) {
  return IsFixedWidth(type) || IsStringLike(type);
}

size_t KeyDictionary::SlotOf(int64_t number) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = Bucket(number);
  while (slots_[slot].id >= 0 && slots_[slot].key != number) slot = (slot + 1) & mask;
  return slot;
}

size_t KeyDictionary::SlotOf(int64_t hash, std::string_view bytes) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = Bucket(hash);
  while (slots_[slot].id >= 0 && (slots_[slot].key != hash || BytesOf(slots_[slot].id) != bytes))
    slot = (slot + 1) & mask;
  return slot;
}

std::string_view KeyDictionary::BytesOf(int32_t id) const {
  const size_t start = id == 0 ? 0 : ends_[static_cast<size_t>(id) - 1];
  return std::string_view(bytes_).substr(start, ends_[static_cast<size_t>(id)] - start);
}

int32_t KeyDictionary::Take(size_t slot, int64_t key) {
  slots_[slot] = {key, size_};
  return size_++;
}

// At most half full, so that a search looks at few slots.
void KeyDictionary::GrowIfFull() {
  if (static_cast<size_t>(size_) * 2 < slots_.size()) return;
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  --shift_;
  const size_t mask = slots_.size() - 1;
  for (const Slot& entry : old) {
    if (entry.id < 0) continue;
    size_t slot = Bucket(entry.key);
    while (slots_[slot].id >= 0) slot = (slot + 1) & mask;
    slots_[slot] = entry;
  }
}

template <typename NumberOf>
void KeyDictionary::AddNumbers(const arrow::Array& column, NumberOf number_of, std::vector<int32_t>* ids) {
  for (int64_t row = 0; row < column.length(); ++row) {
    if (column.IsNull(row)) continue;
    const int64_t number = number_of(row);
    const size_t slot = SlotOf(number);
    (*ids)[static_cast<size_t>(row)] = slots_[slot].id >= 0 ? slots_[slot].id : Take(slot, number);
    GrowIfFull();
  }
}

void KeyDictionary::Seal() {
  dense_.clear();
  if (!numbers_) return;
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const Slot& slot : slots_) {
    if (slot.id < 0) continue;
    first = std::min(first, slot.key);
    last = std::max(last, slot.key);
  }
  constexpr uint64_t kAlwaysDense = 256 << 10;  // numbers: 1 MiB of ids, which stay in a core's cache
  const uint64_t range = static_cast<uint64_t>(last) - static_cast<uint64_t>(first);
  if (size_ == 0 || range >= std::max<uint64_t>(kAlwaysDense, static_cast<uint64_t>(size_) * 4)) return;
  dense_.assign(range + 1, -1);
  dense_first_ = first;
  for (const Slot& slot : slots_) {
    if (slot.id >= 0) dense_[static_cast<size_t>(slot.key - first)] = slot.id;
  }
}

template <typename T>
void KeyDictionary::FindNumbers(const T* numbers, size_t count, int32_t* ids) const {
  if (!dense_.empty()) {
    const uint64_t range = dense_.size();
    for (size_t i = 0; i < count; ++i) {
      const uint64_t at = static_cast<uint64_t>(int64_t{numbers[i]}) - static_cast<uint64_t>(dense_first_);
      ids[i] = at < range ? dense_[at] : -1;
    }
    return;
  }
  constexpr size_t kAhead = 16;  // rows between asking memory for a slot and reading it
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) __builtin_prefetch(&slots_[Bucket(numbers[i + kAhead])]);
    ids[i] = slots_[SlotOf(numbers[i])].id;
  }
}

void KeyDictionary::Map(const int32_t* numbers, size_t count, int32_t* ids) const {
  FindNumbers(numbers, count, ids);
}

void KeyDictionary::Map(const int64_t* numbers, size_t count, int32_t* ids) const {
  FindNumbers(numbers, count, ids);
}

std::vector<int32_t> KeyDictionary::Add(std::span<const std::shared_ptr<arrow::Array>> columns,
                                        int64_t rows) {
  std::vector<int32_t> ids(static_cast<size_t>(rows), columns_ == 0 ? 0 : -1);
  if (columns_ == 0) return ids;
  dense_.clear();
  if (numbers_) {
    WithNumbers(*columns[0], [&](auto number_of) { AddNumbers(*columns[0], number_of, &ids); });
    return ids;
  }
  std::string key;
  for (int64_t row = 0; row < rows; ++row) {
    if (!KeyBytes(columns, row, &key)) continue;
    const int64_t hash = HashOf(key);
    const size_t slot = SlotOf(hash, key);
    if (slots_[slot].id < 0) {
      bytes_ += key;
      ends_.push_back(bytes_.size());
      ids[static_cast<size_t>(row)] = Take(slot, hash);
      GrowIfFull();
    } else {
      ids[static_cast<size_t>(row)] = slots_[slot].id;
    }
  }
  return ids;
}

void KeyDictionary::Find(std::span<const std::shared_ptr<arrow::Array>> columns, int64_t rows,
                         LargeVector<int32_t>* found) const {
  LargeVector<int32_t>& ids = *found;
  ids.resize(static_cast<size_t>(rows));
  if (columns_ == 0) return std::fill(ids.begin(), ids.end(), 0);
  if (numbers_) {
    const arrow::Array& column = *columns[0];
    if (column.type_id() == arrow::Type::INT32) {
      Map(column.data()->GetValues<int32_t>(1), ids.size(), ids.data());
    } else {
      Map(column.data()->GetValues<int64_t>(1), ids.size(), ids.data());
    }
    for (int64_t row = 0; column.null_count() > 0 && row < rows; ++row) {
      if (column.IsNull(row)) ids[static_cast<size_t>(row)] = -1;
    }
    return;
  }
  std::string key;
  for (int64_t row = 0; row < rows; ++row) {
    const bool present = KeyBytes(columns, row, &key);
    ids[static_cast<size_t>(row)] = present ? slots_[SlotOf(HashOf(key), key)].id : -1;
  }
}

}  // namespace salver
