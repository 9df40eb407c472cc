// Where rows that were read lie in the map: who asks for them again need not walk a tree whose every page is
// a miss of the processor's caches.
//
// A place holds for one state of the environment, which the id of a read transaction names: LMDB changes no
// page that the newest commit can reach, and with the next commit of anybody all places are forgotten. A
// place is where a row begins that has its key right before it, as LMDB keeps all but large rows. The key is
// compared at each use, so what is found is that key's row or none.
//
// Of one reader at a time. It takes 16 bytes a place: 16 kB, and 4 MB at most when many rows are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/large_vector.h"

namespace salver {

class LmdbRowPlaces {
 public:
  // Before the reads of a transaction: forgets what holds for another state.
  void Begin(size_t transaction_id);
  // When the map may have moved.
  void Forget();

  // Of a key in a table, for the calls that follow. Those of another pair may be the same.
  static uint64_t Hash(uint32_t table, std::string_view key);
  // The processor fetches what Find will look at, so that it waits for many keys at once: Prefetch of each,
  // then PrefetchRow of each, then Find.
  void Prefetch(uint64_t hash) const;
  void PrefetchRow(uint64_t hash) const;
  std::optional<std::string_view> Find(uint64_t hash, uint32_t table, std::string_view key) const;
  // `row`, as LMDB gave it for `key` in this transaction.
  void Put(uint64_t hash, uint32_t table, std::string_view key, std::string_view row);

 private:
  struct Place {
    const char* row;
    uint16_t state;  // in which it holds; 0: in none
    uint16_t table, key_size, row_size;
  };
  static constexpr size_t kLeast = size_t{1} << 10, kMost = size_t{1} << 18, kGrowth = 4;

  size_t At(uint64_t hash) const { return hash & (places_.size() - 1); }
  void Resize(size_t size);

  LargeVector<Place> places_;  // a power of two of them, or none yet; a hash has one
  size_t put_ = 0;             // in this state
  size_t transaction_id_ = 0;
  uint16_t state_ = 1;
};

}  // namespace salver
