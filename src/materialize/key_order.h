// The order of encoded keys, decided by a number where it can be.
#pragma once

#include <algorithm>
#include <boost/sort/spreadsort/integer_sort.hpp>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace salver {

// The 8 bytes of a key behind the `common` ones that all keys begin with: where they differ, the keys' order
// is that of these numbers.
inline uint64_t KeyPrefix(std::string_view key, size_t common) {
  char first[8] = {};
  if (key.size() > common) std::memcpy(first, key.data() + common, std::min<size_t>(8, key.size() - common));
  uint64_t prefix;
  std::memcpy(&prefix, first, 8);
  return __builtin_bswap64(prefix);
}

// Sorts entries with a `prefix` by it, and those that have the same by `before`.
template <typename Entries, typename Before>
void SortByPrefix(Entries* entries, Before before) {
  using Entry = typename Entries::value_type;
  boost::sort::spreadsort::integer_sort(
      entries->begin(), entries->end(),
      [](const Entry& entry, unsigned shift) { return entry.prefix >> shift; },
      [](const Entry& a, const Entry& b) { return a.prefix < b.prefix; });
  for (auto begin = entries->begin(); begin != entries->end();) {
    const auto end =
        std::find_if(begin, entries->end(), [&](const Entry& e) { return e.prefix != begin->prefix; });
    if (end - begin > 1) std::sort(begin, end, before);
    begin = end;
  }
}

}  // namespace salver
