#include "online/lmdb/lmdb_row_places.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace salver {
namespace {

constexpr size_t kCacheLine = 64;

bool HasKeyBefore(const char* row, std::string_view key) {
  return std::memcmp(row - key.size(), key.data(), key.size()) == 0;
}

}  // namespace

void LmdbRowPlaces::Begin(size_t transaction_id) {
  if (transaction_id == transaction_id_) return;
  transaction_id_ = transaction_id;
  Forget();
}

void LmdbRowPlaces::Forget() {
  put_ = 0;
  if (++state_ == 0) Resize(places_.size());
}

void LmdbRowPlaces::Resize(size_t size) {
  if (size != places_.size()) places_ = LargeVector<Place>(size);
  std::fill(places_.begin(), places_.end(), Place{});
  put_ = 0;
  state_ = 1;
}

uint64_t LmdbRowPlaces::Hash(uint32_t table, std::string_view key) {
  return XXH3_64bits_withSeed(key.data(), key.size(), table);
}

void LmdbRowPlaces::Prefetch(uint64_t hash) const {
  if (!places_.empty()) __builtin_prefetch(&places_[At(hash)]);
}

void LmdbRowPlaces::PrefetchRow(uint64_t hash) const {
  if (places_.empty()) return;
  const Place& place = places_[At(hash)];
  if (place.state != state_) return;
  constexpr size_t kLinesMost = 4;  // of a longer row the processor sees by itself where it goes
  const char* const end = place.row + std::min<size_t>(place.row_size, kLinesMost * kCacheLine);
  for (const char* at = place.row - place.key_size; at < end; at += kCacheLine) __builtin_prefetch(at);
}

std::optional<std::string_view> LmdbRowPlaces::Find(uint64_t hash, uint32_t table,
                                                    std::string_view key) const {
  if (places_.empty()) return std::nullopt;
  const Place& place = places_[At(hash)];
  if (place.state != state_ || place.table != table || place.key_size != key.size()) return std::nullopt;
  if (!HasKeyBefore(place.row, key)) return std::nullopt;
  return std::string_view(place.row, place.row_size);
}

void LmdbRowPlaces::Put(uint64_t hash, uint32_t table, std::string_view key, std::string_view row) {
  constexpr size_t kMost16 = std::numeric_limits<uint16_t>::max();
  if (table > kMost16 || row.size() > kMost16 || !HasKeyBefore(row.data(), key)) return;
  if (places_.empty()) Resize(kLeast);
  if (++put_ > places_.size() / 2 && places_.size() < kMost) Resize(places_.size() * kGrowth);
  places_[At(hash)] = {row.data(), state_, static_cast<uint16_t>(table), static_cast<uint16_t>(key.size()),
                       static_cast<uint16_t>(row.size())};
}

}  // namespace salver
