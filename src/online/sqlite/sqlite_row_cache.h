// Rows that were read and that nobody has changed since, shared by the connections of one store.
//
// A reader finds here what its own SELECT would give, to the last commit of anybody. Rows are kept under a
// generation, and each read transaction takes three steps:
//
//   1. before = generation(), once the reader has its connection and before the transaction begins;
//   2. the transaction begins, and its connection says whether it sees a commit that it did not see before
//      (SqliteConnection::SeesNewCommits: commits of its own and of others alike, and true the first time);
//   3. Join(before, that). Seeing a new commit raises the generation, and this reader does without the cache.
//      Otherwise it finds and puts rows of generation `before`, and of no other, until its transaction ends.
//
// Why all readers that share a generation g see the same state of the file. Take two, A and B, and say that
// B sees a commit that A does not. B's connection noticed that commit in an earlier transaction, not in this
// one, or B would not share; and it raised the generation then, which was over when B got the connection and
// found g. So that raise gave g or less. A found g too, so it began its transaction after that raise, and
// after the transaction that had noticed the commit: A sees it as well.
//
// It takes each part. A reader that raises may not use what it raised to: by then, others may have seen and
// raised for a commit that its own transaction does not see. A generation that is asked for after the
// transaction has begun may be that of a later state; one that is asked for before the connection is there
// may be that of an earlier one.
//
// Rolled back or failed writes, deadlines and errors midway change nothing: what was put was read whole, in a
// transaction that shares. A dropped or altered table is a commit like any other. Checkpoints that begin the
// log anew may look like one, which costs the rows and nothing else. Several connections notice one commit
// one after the other, and each raises the generation. A connection to another file at the same path is the
// pool's to handle (sqlite_online_store.cc).
//
// A row is kept as SQLite gave it and decoded by its features' names at each use, so what a view is defined
// as does not matter here. That a key has no row is kept as well.
//
// Thread safety: all of it may be used by any threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace salver {

// A row as it is stored: the features in SQLite's order, their texts one after the other.
struct SqliteRow {
  int64_t event_us, created_us;
  std::span<const uint16_t> name_ends, value_ends;  // one of each a feature; none: the key has no row
  std::string_view names, values;

  static std::string_view Part(std::string_view all, std::span<const uint16_t> ends, size_t at) {
    const size_t begin = at == 0 ? 0 : ends[at - 1];
    return all.substr(begin, ends[at] - begin);
  }
  size_t feature_count() const { return name_ends.size(); }
  std::string_view name(size_t feature) const { return Part(names, name_ends, feature); }
  std::string_view value(size_t feature) const { return Part(values, value_ends, feature); }
};

// Puts a SqliteRow together while its features are read.
class SqliteRowBuilder {
 public:
  void Clear();
  void Add(std::string_view name, std::string_view value);
  // Too large rows are not kept.
  bool TooLarge() const { return too_large_; }
  // Valid until the next Clear or Add.
  SqliteRow Row(int64_t event_us, int64_t created_us) const {
    return {event_us, created_us, name_ends_, value_ends_, names_, values_};
  }

 private:
  std::vector<uint16_t> name_ends_, value_ends_;
  std::string names_, values_;
  bool too_large_ = false;
};

// Where a row is looked for. `table` is the view's name.
struct SqliteRowKey {
  std::string_view table, key;
  uint64_t hash;

  // `seed`: of the table, the same for all keys.
  static uint64_t Seed(std::string_view table);
  SqliteRowKey(std::string_view table, uint64_t seed, std::string_view key);
};

class SqliteRowCache {
 public:
  // A row, and the lock under which it stays: to be let go soon.
  struct Found {
    std::unique_lock<std::mutex> lock;  // not held: there is no row
    SqliteRow row;
    explicit operator bool() const { return lock.owns_lock(); }
  };

  // One reader's share, until its transaction ends. Without a cache nothing is found and nothing put.
  struct Share {
    SqliteRowCache* cache = nullptr;
    uint64_t generation = 0;
    SqliteRowBuilder built = {};  // scratch for rows to put
  };

  // `max_bytes`: of rows and all that is needed to find them; a megabyte or more.
  explicit SqliteRowCache(size_t max_bytes);
  ~SqliteRowCache();

  uint64_t generation() const { return generation_.load(); }
  // What was read before is not found by those who ask for the generation after this.
  void Raise() { generation_.fetch_add(1); }
  // Step 3.
  Share Join(uint64_t before, bool sees_new_commits);

  Found Find(uint64_t generation, const SqliteRowKey& key);
  // A row that was read in the transaction of the generation's share.
  void Put(uint64_t generation, const SqliteRowKey& key, const SqliteRow& row);

  size_t bytes() const;

 private:
  struct Shard;
  Shard& ShardOf(const SqliteRowKey& key) const;

  std::atomic<uint64_t> generation_{1};
  size_t shard_count_;  // a power of two
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace salver
