// That readers who find rows in the cache find those of the moment that their transaction sees, in whatever
// order they and writers come; and that the cache stays within its bytes.
#include "online/sqlite/sqlite_row_cache.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "online/sqlite/sqlite_connection.h"
#include "online/sqlite/sqlite_store_test.h"
#include "test/test_folder.h"

namespace salver {
namespace {

SqliteRowKey KeyOf(std::string_view table, std::string_view key) {
  return {table, SqliteRowKey::Seed(table), key};
}

// ---- The three steps of readers, in every order that several connections can take them.

enum class Fault { kNone, kRaiserShares, kAsksBeforeItsConnection, kAsksAfterItBegan, kMissesOwnCommits };

// Readers over connections of a pool, and writers beside. Each of their steps is taken in one thread, in a
// random order. With a `fault`, a step is taken wrongly.
class Interleaving {
 public:
  Interleaving(const std::string& path, Fault fault, uint64_t seed)
      : path_(path), fault_(fault), random_(seed) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &writer_), SQLITE_OK);
    Write("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t(key BLOB PRIMARY KEY, n)");
  }
  ~Interleaving() { sqlite3_close(writer_); }

  // Empty, or what was read wrongly.
  std::string Run(int steps) {
    for (int i = 0; i < steps && difference_.empty(); ++i) {
      const size_t choice = random_() % 64;
      if (choice == 0) {
        Write(Commit());
      } else if (choice == 1) {
        OwnCommit();
      } else {
        Advance(&readers_[choice % readers_.size()]);
      }
    }
    return difference_;
  }
  int found() const { return found_; }

 private:
  struct Reader {
    bool asleep = false;
    int step = 0;
    std::unique_ptr<SqliteConnection> connection;
    uint64_t before = 0;
    bool new_commits = false;
    SqliteRowCache::Share share;
  };

  void Write(const std::string& sql) {
    EXPECT_EQ(sqlite3_exec(writer_, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(writer_) << ": " << sql;
  }
  std::string Commit() {
    const std::string key = std::to_string(random_() % kKeys);
    if (random_() % 8 == 0) return "DELETE FROM t WHERE key = '" + key + "'";
    return "INSERT OR REPLACE INTO t VALUES ('" + key + "', " + std::to_string(++number_) + ")";
  }
  // Any of the pool, or a new one in the place of it.
  std::unique_ptr<SqliteConnection> Take() {
    std::unique_ptr<SqliteConnection> taken;
    if (!pool_.empty()) {
      std::swap(pool_[random_() % pool_.size()], pool_.back());
      taken = std::move(pool_.back());
      pool_.pop_back();
    }
    if (taken != nullptr && random_() % 64 != 0) return taken;
    auto opened = std::make_unique<SqliteConnection>(path_, &broken_);
    EXPECT_TRUE(opened->Open(false).ok() && opened->Run("PRAGMA synchronous = OFF").ok());
    return opened;
  }
  void OwnCommit() {
    auto connection = Take();
    EXPECT_TRUE(connection->Begin().ok() && connection->Run(Commit()).ok() && connection->Commit().ok());
    if (fault_ == Fault::kMissesOwnCommits) {  // what is noticed now is not known later
      EXPECT_TRUE(connection->SeesNewCommits().ok());
    }
    pool_.push_back(std::move(connection));
  }

  void Advance(Reader* reader) {
    // As a thread that is put aside for a while, anywhere.
    reader->asleep = random_() % 16 < (reader->asleep ? 15 : 2);
    if (reader->asleep) return;
    switch (reader->step++) {
      case 0:
        if (fault_ == Fault::kAsksBeforeItsConnection) reader->before = cache_.generation();
        return;
      case 1:
        reader->connection = Take();
        if (fault_ != Fault::kAsksBeforeItsConnection) reader->before = cache_.generation();
        return;
      case 2:
        EXPECT_TRUE(reader->connection->BeginReading().ok());
        reader->new_commits = reader->connection->SeesNewCommits().value();
        return;
      case 3:
        if (fault_ == Fault::kAsksAfterItBegan) reader->before = cache_.generation();
        reader->share = cache_.Join(reader->before, reader->new_commits);
        if (fault_ == Fault::kRaiserShares && reader->new_commits)
          reader->share = {&cache_, cache_.generation(), {}};
        return;
      default:
        if (random_() % 6 != 0) return Read(*reader);
        EXPECT_TRUE(reader->connection->EndReading().ok());
        pool_.push_back(std::move(reader->connection));
        *reader = Reader();
    }
  }

  // The row that the cache has is the row that the transaction sees.
  void Read(const Reader& reader) {
    const std::string key = std::to_string(random_() % kKeys);
    sqlite3_stmt* const select = reader.connection->Prepare("SELECT n FROM t WHERE key = ?").value();
    sqlite3_bind_text(select, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    const std::string stored(sqlite3_step(select) == SQLITE_ROW ? ColumnBytes(select, 0)
                                                                : std::string_view());
    sqlite3_reset(select);
    if (reader.share.cache == nullptr) return;
    if (const auto kept = cache_.Find(reader.share.generation, KeyOf("t", key))) {
      ++found_;
      if (kept.row.values != stored)
        difference_ =
            "key " + key + " is \"" + stored + "\", kept is \"" + std::string(kept.row.values) + '"';
      return;
    }
    SqliteRowBuilder row;
    if (!stored.empty()) row.Add("n", stored);
    cache_.Put(reader.share.generation, KeyOf("t", key), row.Row(0, 0));
  }

  static constexpr int kKeys = 2;
  const std::string path_;
  const Fault fault_;
  std::mt19937_64 random_;
  std::atomic<bool> broken_{false};
  sqlite3* writer_ = nullptr;
  SqliteRowCache cache_{size_t{1} << 20};
  std::vector<std::unique_ptr<SqliteConnection>> pool_;
  std::array<Reader, 4> readers_;
  int number_ = 0, found_ = 0;
  std::string difference_;
};

TEST(SqliteRowCacheTest, WhateverTheOrderOfTheirStepsReadersFindWhatTheirTransactionSees) {
  const uint64_t seed = NewSeed();
  SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed));
  const TestFolder folder;
  Interleaving right(folder.path() + "/right.db", Fault::kNone, seed);
  EXPECT_EQ(right.Run(200'000), "");
  EXPECT_GT(right.found(), 500);
  for (const Fault fault : {Fault::kRaiserShares, Fault::kAsksBeforeItsConnection, Fault::kAsksAfterItBegan,
                            Fault::kMissesOwnCommits}) {
    Interleaving wrong(folder.path() + "/" + std::to_string(static_cast<int>(fault)) + ".db", fault, seed);
    EXPECT_NE(wrong.Run(10'000'000), "") << "a fault was not found: " << static_cast<int>(fault);
  }
}

// ---- The cache alone.

TEST(SqliteRowCacheTest, StaysWithinItsBytesAndKeepsWhatIsReadAgain) {
  const uint64_t seed = NewSeed();
  SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const size_t max_bytes : {size_t{1} << 20, size_t{9} << 20}) {
    SqliteRowCache cache(max_bytes);
    SqliteRowBuilder row;
    const auto value_of = [](uint64_t key) {
      return std::string(key % 1000 == 0 ? 60'000 : key % 200, static_cast<char>('a' + key % 26)) +
             std::to_string(key);
    };
    const auto put = [&](const std::string& table, uint64_t key) {
      row.Clear();
      // Every third has one feature fewer, and some none.
      if (key % 7 != 0) row.Add("text", value_of(key));
      if (key % 3 != 0) row.Add("number", table);
      cache.Put(1, KeyOf(table, std::to_string(key)), row.Row(static_cast<int64_t>(key), 7));
    };
    size_t found = 0, most_bytes = 0;
    put("hot", 1);
    for (int i = 0; i < 60'000; ++i) {
      const std::string table = random() % 2 == 0 ? "even" : "odd";
      const uint64_t key = random() % 100'000;
      if (const auto kept = cache.Find(1, KeyOf(table, std::to_string(key)))) {
        ++found;
        size_t at = 0;
        if (key % 7 != 0) {
          ASSERT_EQ(kept.row.name(at), "text");
          ASSERT_EQ(kept.row.value(at++), value_of(key));
        }
        if (key % 3 != 0) {
          ASSERT_EQ(kept.row.name(at), "number");
          ASSERT_EQ(kept.row.value(at++), table);
        }
        ASSERT_EQ(kept.row.feature_count(), at);
        ASSERT_EQ(kept.row.event_us, static_cast<int64_t>(key));
        ASSERT_EQ(kept.row.created_us, 7);
      } else {
        put(table, key);
      }
      if (i % 64 == 0) {
        ASSERT_TRUE(cache.Find(1, KeyOf("hot", "1"))) << i;
      }
      if (i % 16 == 0) {
        most_bytes = std::max(most_bytes, cache.bytes());
        ASSERT_LE(most_bytes, max_bytes);
      }
    }
    EXPECT_GT(found, 300u);
    EXPECT_GT(most_bytes, max_bytes / 2);
  }
}

TEST(SqliteRowCacheTest, RowsThatAreOnlyReadStayWholeWhileTheyMoveFromHalfToHalf) {
  SqliteRowCache cache(size_t{1} << 20);
  SqliteRowBuilder row;
  const auto value_of = [](int key) { return std::string(100, static_cast<char>('a' + key % 26)); };
  constexpr int kRows = 3500;  // more than fit into one half
  int found = 0;
  for (int i = 0; i < 20 * kRows; ++i) {
    const std::string key = std::to_string(i % kRows);
    if (const auto kept = cache.Find(1, KeyOf("t", key))) {
      ++found;
      ASSERT_EQ(kept.row.value(0), value_of(i % kRows));
      continue;
    }
    row.Clear();
    row.Add("a", value_of(i % kRows));
    cache.Put(1, KeyOf("t", key), row.Row(0, 0));
  }
  EXPECT_GT(found, kRows);
}

TEST(SqliteRowCacheTest, RowsOfOneHashAreToldApartByTableAndKey) {
  SqliteRowCache cache(size_t{1} << 20);
  SqliteRowBuilder row;
  for (const char* table : {"t", "u"}) {
    for (const char* key : {"k", "l"}) {
      SqliteRowKey at = KeyOf(table, key);
      at.hash = 1;
      EXPECT_FALSE(cache.Find(1, at)) << table << key;
      row.Clear();
      row.Add("a", std::string(table) + key);
      cache.Put(1, at, row.Row(0, 0));
      const auto kept = cache.Find(1, at);
      ASSERT_TRUE(kept) << table << key;
      EXPECT_EQ(kept.row.value(0), std::string(table) + key);
    }
  }
}

TEST(SqliteRowCacheTest, RowsOfAnotherGenerationAreNeitherFoundNorPut) {
  SqliteRowCache cache(size_t{1} << 20);
  SqliteRowBuilder row;
  row.Add("a", "1");
  cache.Put(2, KeyOf("t", "k"), row.Row(0, 0));
  EXPECT_TRUE(cache.Find(2, KeyOf("t", "k")));
  EXPECT_FALSE(cache.Find(1, KeyOf("t", "k")));
  EXPECT_FALSE(cache.Find(3, KeyOf("t", "k")));
  cache.Put(1, KeyOf("t", "other"), row.Row(0, 0));
  EXPECT_FALSE(cache.Find(1, KeyOf("t", "other")));
  EXPECT_FALSE(cache.Find(2, KeyOf("t", "other")));
  cache.Put(3, KeyOf("t", "other"), row.Row(0, 0));
  EXPECT_TRUE(cache.Find(3, KeyOf("t", "other")));
  EXPECT_FALSE(cache.Find(2, KeyOf("t", "k")));
  EXPECT_FALSE(cache.Find(3, KeyOf("t", "k")));
}

TEST(SqliteRowCacheTest, TooLargeRowsAreNotKept) {
  SqliteRowBuilder row;
  row.Add("a", std::string(40'000, 'x'));
  EXPECT_FALSE(row.TooLarge());
  row.Add("b", std::string(40'000, 'x'));
  EXPECT_TRUE(row.TooLarge());
  row.Clear();
  row.Add("a", std::string(65'535, 'x'));
  EXPECT_FALSE(row.TooLarge());
  SqliteRowCache cache(size_t{1} << 20);
  cache.Put(1, KeyOf("t", "k"), row.Row(0, 0));
  EXPECT_FALSE(cache.Find(1, KeyOf("t", "k")));
}

}  // namespace
}  // namespace salver
