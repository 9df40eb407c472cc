// Each shard keeps its rows in two halves. Rows are added to the young one. Once it is full it becomes the
// old one, and what was old is dropped at once; rows that are found in the old half are copied to the young
// one. So whatever is read stays, a scan of other keys costs no search for what to drop, and memory comes
// and goes in blocks.
#include "online/sqlite/sqlite_row_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <unordered_map>

#include "salver/online_rows.h"

namespace salver {
namespace {

constexpr size_t kMaxRowBytes = 0xffff;  // of names, or of key and values: what a uint16_t counts
constexpr size_t kShardBytes = size_t{4} << 20, kMaxShards = 16;

// What rows of one table have in common.
struct Layout {
  std::string_view table, names;
  std::span<const uint16_t> name_ends;

  bool Fits(std::string_view other, const SqliteRow& row) const {
    return table == other && names == row.names && std::ranges::equal(name_ends, row.name_ends);
  }
  static size_t BytesFor(std::string_view table, const SqliteRow& row) {
    return sizeof(Layout) + table.size() + row.names.size() + row.name_ends.size_bytes();
  }
};

// Behind it follow where the values end, the key and the values.
struct KeptRow {
  const Layout* layout;
  int64_t event_us, created_us;
  size_t key_size;

  const uint16_t* value_ends() const { return reinterpret_cast<const uint16_t*>(this + 1); }
  std::string_view key() const {
    return {reinterpret_cast<const char*>(value_ends() + layout->name_ends.size()), key_size};
  }
  SqliteRow Row() const {
    const size_t count = layout->name_ends.size();
    return {event_us,          created_us,
            layout->name_ends, {value_ends(), count},
            layout->names,     {key().data() + key_size, count == 0 ? size_t{0} : value_ends()[count - 1]}};
  }
  static size_t BytesFor(std::string_view key, const SqliteRow& row) {
    return sizeof(KeptRow) + row.value_ends.size_bytes() + key.size() + row.values.size();
  }
};

template <typename T>
std::span<const T> CopySpan(std::span<const T> from, ByteArena* arena) {
  const std::span<T> to = arena->AllocateSpan<T>(from.size());
  std::ranges::copy(from, to.begin());
  return to;
}

class Half {
 public:
  const KeptRow* Find(const SqliteRowKey& key) const {
    if (slots_.empty()) return nullptr;
    for (size_t at = key.hash;; ++at) {
      const Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.row == nullptr) return nullptr;
      if (slot.hash == key.hash && slot.row->key() == key.key && slot.row->layout->table == key.table)
        return slot.row;
    }
  }

  // Whether bytes() stays within `limit` when the row is put.
  bool HasRoom(const SqliteRowKey& key, const SqliteRow& row, size_t limit) const {
    const size_t grown = MustGrow() ? NextSlots() - slots_.size() : 0;
    const size_t row_bytes = KeptRow::BytesFor(key.key, row) + Layout::BytesFor(key.table, row);
    return bytes() + grown * sizeof(Slot) + kLayoutEntryBytes + ByteArena::kBlock + row_bytes <= limit;
  }

  const KeptRow* Put(const SqliteRowKey& key, const SqliteRow& row) {
    if (MustGrow()) Grow();
    const size_t words = (KeptRow::BytesFor(key.key, row) + sizeof(uint64_t) - 1) / sizeof(uint64_t);
    auto* const kept = new (arena_.AllocateSpan<uint64_t>(words).data())
        KeptRow{LayoutOf(key, row), row.event_us, row.created_us, key.key.size()};
    char* at = reinterpret_cast<char*>(kept + 1);
    const auto append = [&](const void* from, size_t size) {
      if (size > 0) std::memcpy(at, from, size);
      at += size;
    };
    append(row.value_ends.data(), row.value_ends.size_bytes());
    append(key.key.data(), key.key.size());
    append(row.values.data(), row.values.size());
    Insert({key.hash, kept});
    ++count_;
    return kept;
  }

  size_t bytes() const {
    return arena_.bytes_held() + slots_.capacity() * sizeof(Slot) + layouts_.size() * kLayoutEntryBytes;
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    const KeptRow* row = nullptr;
  };
  static constexpr size_t kLayoutEntryBytes = 64;  // about what an entry of layouts_ takes

  bool MustGrow() const { return (count_ + 1) * 4 > slots_.size() * 3; }
  size_t NextSlots() const { return std::max<size_t>(64, slots_.size() * 2); }
  void Grow() {
    std::vector<Slot> before(NextSlots());
    before.swap(slots_);
    for (const Slot& slot : before) {
      if (slot.row != nullptr) Insert(slot);
    }
  }
  void Insert(const Slot& slot) {
    size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].row != nullptr) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }

  // The last one of the table, or a new one in its place. Rows that are not there have one of their own.
  const Layout* LayoutOf(const SqliteRowKey& key, const SqliteRow& row) {
    const Layout*& last = layouts_[SqliteRowKey::Seed(key.table) + row.name_ends.empty()];
    if (last == nullptr || !last->Fits(key.table, row)) {
      last = new (arena_.AllocateSpan<Layout>(1).data())
          Layout{arena_.Copy(key.table), arena_.Copy(row.names), CopySpan(row.name_ends, &arena_)};
    }
    return last;
  }

  ByteArena arena_;
  std::vector<Slot> slots_;  // a power of two of them, open addressing
  size_t count_ = 0;
  std::unordered_map<uint64_t, const Layout*> layouts_;
};

}  // namespace

struct alignas(64) SqliteRowCache::Shard {
  std::mutex mutex;
  uint64_t generation = 0;  // of all rows
  size_t half_bytes = 0;
  Half young, old;

  const KeptRow* Add(const SqliteRowKey& key, const SqliteRow& row) {
    Half dropped;  // after the copy: the row may lie in it
    if (!young.HasRoom(key, row, half_bytes)) {
      dropped = std::move(old);
      old = std::move(young);
      young = Half();
    }
    return young.Put(key, row);
  }
};

void SqliteRowBuilder::Clear() {
  name_ends_.reserve(32);
  value_ends_.reserve(32);
  names_.reserve(512);
  values_.reserve(512);
  name_ends_.clear();
  value_ends_.clear();
  names_.clear();
  values_.clear();
  too_large_ = false;
}

void SqliteRowBuilder::Add(std::string_view name, std::string_view value) {
  too_large_ = too_large_ || names_.size() + name.size() > kMaxRowBytes ||
               values_.size() + value.size() > kMaxRowBytes;
  if (too_large_) return;
  names_ += name;
  values_ += value;
  name_ends_.push_back(static_cast<uint16_t>(names_.size()));
  value_ends_.push_back(static_cast<uint16_t>(values_.size()));
}

uint64_t SqliteRowKey::Seed(std::string_view table) {
  return XXH3_64bits(table.data(), table.size());
}

SqliteRowKey::SqliteRowKey(std::string_view table, uint64_t seed, std::string_view key)
    : table(table), key(key), hash(XXH3_64bits_withSeed(key.data(), key.size(), seed)) {}

SqliteRowCache::SqliteRowCache(size_t max_bytes)
    : shard_count_(std::bit_floor(std::clamp<size_t>(max_bytes / kShardBytes, 1, kMaxShards))),
      shards_(std::make_unique<Shard[]>(shard_count_)) {
  for (size_t i = 0; i < shard_count_; ++i) shards_[i].half_bytes = max_bytes / shard_count_ / 2;
}

SqliteRowCache::~SqliteRowCache() = default;

SqliteRowCache::Share SqliteRowCache::Join(uint64_t before, bool sees_new_commits) {
  if (!sees_new_commits) return {this, before};
  Raise();
  return {};
}

SqliteRowCache::Shard& SqliteRowCache::ShardOf(const SqliteRowKey& key) const {
  return shards_[key.hash >> 48 & (shard_count_ - 1)];  // slots are found by the low bits
}

SqliteRowCache::Found SqliteRowCache::Find(uint64_t generation, const SqliteRowKey& key) {
  Shard& shard = ShardOf(key);
  std::unique_lock lock(shard.mutex);
  if (shard.generation != generation) return {};
  const KeptRow* row = shard.young.Find(key);
  if (row == nullptr) {
    row = shard.old.Find(key);
    if (row == nullptr) return {};
    row = shard.Add(key, row->Row());
  }
  return {std::move(lock), row->Row()};
}

void SqliteRowCache::Put(uint64_t generation, const SqliteRowKey& key, const SqliteRow& row) {
  if (key.key.size() + row.values.size() > kMaxRowBytes) return;
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  if (shard.generation > generation) return;
  if (shard.generation < generation) {
    shard.young = Half();
    shard.old = Half();
    shard.generation = generation;
  }
  if (shard.young.Find(key) == nullptr) shard.Add(key, row);
}

size_t SqliteRowCache::bytes() const {
  size_t sum = 0;
  for (size_t i = 0; i < shard_count_; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    sum += shards_[i].young.bytes() + shards_[i].old.bytes();
  }
  return sum;
}

}  // namespace salver
