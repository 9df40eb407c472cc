// Places of rows: found while they hold, and never after.
#include "online/lmdb/lmdb_row_places.h"

#include <gtest/gtest.h>

#include <string>

#include "online/lmdb/lmdb_environment.h"
#include "test/test_folder.h"

namespace salver {
namespace {

// A key with its row right behind it, as a page of LMDB has them.
struct Stored {
  Stored(std::string_view key, std::string_view row)
      : bytes(std::string(key) + std::string(row)), key_size(key.size()) {}
  std::string bytes;
  size_t key_size;
  std::string_view key() const { return std::string_view(bytes).substr(0, key_size); }
  std::string_view row() const { return std::string_view(bytes).substr(key_size); }
};

void Put(const Stored& stored, uint32_t table, LmdbRowPlaces* places) {
  places->Put(LmdbRowPlaces::Hash(table, stored.key()), table, stored.key(), stored.row());
}
std::optional<std::string_view> Find(const LmdbRowPlaces& places, uint32_t table, std::string_view key) {
  const uint64_t hash = LmdbRowPlaces::Hash(table, key);
  places.Prefetch(hash);
  places.PrefetchRow(hash);
  return places.Find(hash, table, key);
}

TEST(LmdbRowPlaces, FindWhatWasPutInTheSameState) {
  const Stored stored("a key", "its row");
  LmdbRowPlaces places;
  EXPECT_EQ(Find(places, 3, stored.key()), std::nullopt);
  places.Begin(7);
  Put(stored, 3, &places);
  places.Begin(7);
  EXPECT_EQ(Find(places, 3, stored.key()), stored.row());
  places.Begin(8);
  EXPECT_EQ(Find(places, 3, stored.key()), std::nullopt);
}

TEST(LmdbRowPlaces, AStateThatCameAndWentIsNotTakenForALaterOne) {
  const Stored stored("a key", "its row");
  LmdbRowPlaces places;
  places.Begin(1);
  Put(stored, 3, &places);
  for (size_t id = 2; id < 140'000; ++id) {  // numbers of states have begun anew twice
    places.Begin(id);
    ASSERT_EQ(Find(places, 3, stored.key()), std::nullopt) << id;
  }
}

TEST(LmdbRowPlaces, OnlyTheKeyOfThatTableIsFound) {
  const Stored stored("prefix and key", "its row");
  LmdbRowPlaces places;
  places.Begin(1);
  const uint64_t hash = LmdbRowPlaces::Hash(3, stored.key());
  places.Put(hash, 3, stored.key(), stored.row());
  // Whoever comes with the same hash, be it by chance.
  EXPECT_EQ(places.Find(hash, 4, stored.key()), std::nullopt) << "another table";
  EXPECT_EQ(places.Find(hash, 3, "and key"), std::nullopt) << "the end of the key";
  EXPECT_EQ(places.Find(hash, 3, "Prefix and key"), std::nullopt) << "another key of that size";
  EXPECT_EQ(places.Find(hash, 3, stored.key()), stored.row());
}

TEST(LmdbRowPlaces, ARowWithoutItsKeyBeforeItHasNoPlace) {
  const std::string key = "key", row = "...row";
  LmdbRowPlaces places;
  places.Begin(1);
  places.Put(LmdbRowPlaces::Hash(3, key), 3, key, std::string_view(row).substr(3));
  EXPECT_EQ(Find(places, 3, key), std::nullopt);
}

TEST(LmdbRowPlaces, ManyRowsGetManyPlaces) {
  std::vector<Stored> rows;
  for (int i = 0; i < 20'000; ++i) rows.emplace_back("key " + std::to_string(i), "row " + std::to_string(i));
  LmdbRowPlaces places;
  places.Begin(1);
  for (int round = 0; round < 2; ++round) {
    for (const Stored& row : rows) Put(row, 3, &places);
  }
  size_t found = 0;
  for (const Stored& row : rows) {
    const auto place = Find(places, 3, row.key());
    found += place.has_value();
    if (place) {
      ASSERT_EQ(*place, row.row());
    }
  }
  EXPECT_GT(found, rows.size() * 3 / 4);
}

TEST(LmdbRowPlaces, AReaderForgetsThemWhenTheMapMoves) {
  const TestFolder folder;
  LmdbEnvironment environment({.path = folder.path(), .map_bytes = 1 << 20});
  ASSERT_TRUE(environment.Open().ok());
  ASSERT_TRUE(environment
                  .InWrite([&](MDB_txn* txn) {
                    MDB_val key = ToVal("key"), value = ToVal("row");
                    return mdb_put(txn, environment.main(), &key, &value, 0);
                  })
                  .ok());
  const uint64_t hash = LmdbRowPlaces::Hash(environment.main(), "key");
  for (const bool grown : {false, true}) {
    if (grown) {
      ASSERT_TRUE(environment.Grow().ok());
    }
    for (const bool known : {false, true}) {
      LmdbEnvironment::Reader reader(&environment);
      ASSERT_TRUE(reader.Begin().ok());
      EXPECT_EQ(Find(reader.places(), environment.main(), "key").has_value(), known);
      std::string_view row;
      ASSERT_EQ(reader.Get(environment.main(), "key", hash, &row), 0);
      EXPECT_EQ(row, "row");
    }
  }
}

}  // namespace
}  // namespace salver
