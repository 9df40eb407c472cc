#include "online/postgres/postgres_layout.h"

namespace salver::postgres {

KeyIndex::KeyIndex(std::span<const std::string_view> keys) : next_(keys.size(), -1) {
  rows_.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty()) continue;
    const auto row = static_cast<int32_t>(i);
    const auto [at, is_new] = rows_.try_emplace(keys[i], Rows{row, row});
    if (is_new) {
      distinct_.push_back(keys[i]);
    } else {
      next_[static_cast<size_t>(at->second.last)] = row;
      at->second.last = row;
    }
  }
}

int32_t KeyIndex::FirstRow(std::string_view key) {
  if (last_.second >= 0 && last_.first == key) return last_.second;
  const auto found = rows_.find(key);
  last_ = {std::string(key), found == rows_.end() ? -1 : found->second.first};
  return last_.second;
}

}  // namespace salver::postgres
