// Read transactions that are used again: that each sees what it must, and that none keeps pages from writers.
#include "online/lmdb/lmdb_readers.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "online/lmdb/lmdb_environment.h"
#include "online/lmdb/lmdb_tables.h"
#include "test/test_folder.h"

namespace salver {
namespace {

class LmdbReadersTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(environment_.Open().ok());
    Put("old");
    environment_.Close();  // so that the table is not open
    ASSERT_TRUE(environment_.Open().ok());
  }

  void Put(const std::string& text) {
    const Status status = environment_.InWrite([&](MDB_txn* txn) {
      MDB_dbi table;
      if (const int error = mdb_dbi_open(txn, "table", MDB_CREATE, &table); error != 0) return error;
      MDB_val key = ToVal("key"), value = ToVal(text);
      return mdb_put(txn, table, &key, &value, 0);
    });
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  MDB_dbi OpenTable() {
    LmdbEnvironment::TableOpening opening(&environment_);
    EXPECT_TRUE(opening.Begin().ok());
    MDB_dbi table = 0;
    EXPECT_EQ(mdb_dbi_open(opening.get(), "table", 0, &table), 0);
    EXPECT_EQ(opening.Commit(), 0);
    return table;
  }
  std::string Get(MDB_dbi table) {
    LmdbEnvironment::Reader reader(&environment_);
    EXPECT_TRUE(reader.Begin().ok());
    MDB_val key = ToVal("key"), value;
    const int error = mdb_get(reader.get(), table, &key, &value);
    return error == 0 ? std::string(ToView(value)) : mdb_strerror(error);
  }
  // The transaction of the next read, which ends with it.
  MDB_txn* ReadNothing() {
    LmdbEnvironment::Reader reader(&environment_);
    EXPECT_TRUE(reader.Begin().ok());
    return reader.get();
  }
  // LMDB's list of readers: one that is begun has the number of its commit there, else "-".
  std::string Listed() {
    std::string text;
    mdb_reader_list(
        environment_.get(),
        [](const char* line, void* to) {
          *static_cast<std::string*>(to) += line;
          return 0;
        },
        &text);
    return text;
  }

  const TestFolder folder_;
  LmdbEnvironment environment_{{.path = folder_.path(), .project = "test"}};
};

TEST_F(LmdbReadersTest, AReadSeesWhatWasCommittedBeforeItBegan) {
  const MDB_dbi table = OpenTable();
  EXPECT_EQ(Get(table), "old");
  Put("new");
  EXPECT_EQ(Get(table), "new");
}

TEST_F(LmdbReadersTest, AReadKnowsATableThatWasOpenedAfterTheReadBefore) {
  ReadNothing();
  const MDB_dbi table = OpenTable();
  EXPECT_EQ(Get(table), "old");
}

TEST_F(LmdbReadersTest, ReadsAtTheSameTimeHaveTransactionsOfTheirOwn) {
  LmdbEnvironment::Reader first(&environment_), second(&environment_);
  ASSERT_TRUE(first.Begin().ok());
  ASSERT_TRUE(second.Begin().ok());
  EXPECT_NE(first.get(), second.get());
  first.End();
  second.End();
  MDB_txn* const last = ReadNothing();
  EXPECT_EQ(ReadNothing(), last);
}

TEST_F(LmdbReadersTest, WhatNobodyReadsAnyMoreIsLeftToWriters) {
  ReadNothing();
  while (Listed().find('-') == std::string::npos) std::this_thread::yield();  // or the test never ends
}

// As when two loops of a server that has just started are asked for the same view.
TEST_F(LmdbReadersTest, AViewThatAnotherThreadOpensWhileAReadBeginsIsOpenedForTheRead) {
  const auto view = std::make_shared<FeatureView>();
  view->name = "stats";
  LmdbTables tables(&environment_, "test");
  ASSERT_TRUE(environment_.InWrite([&](MDB_txn* txn) { return tables.Add(txn, *view); }).ok());
  tables.Forget();
  environment_.Close();  // so that the table is not open
  ASSERT_TRUE(environment_.Open().ok());
  const OnlineRead read{view.get(), {}, {}};
  std::vector<LmdbTables::TablePtr> found;
  for (int round = 0; round < 2; ++round) {  // the second finds that the table was seen in this commit
    LmdbEnvironment::Reader reader(&environment_), other(&environment_);
    ASSERT_TRUE(reader.Begin().ok());
    ASSERT_TRUE(tables.Open(*view).ok());
    ASSERT_TRUE(other.Begin().ok());
    ASSERT_EQ(tables.Find(other.get(), {&read, 1}, &found).value(), nullptr);
    const auto missing = tables.Find(reader.get(), {&read, 1}, &found);
    ASSERT_TRUE(missing.ok());
    if (round == 0) {
      EXPECT_EQ(*missing, view.get());
    } else {
      ASSERT_EQ(*missing, nullptr);
    }
    MDB_val key = ToVal("key"), value;
    for (const auto& table : found) EXPECT_EQ(mdb_get(reader.get(), table->rows, &key, &value), MDB_NOTFOUND);
  }
}

TEST_F(LmdbReadersTest, AMapThatGrowsBetweenReadsIsReadOn) {
  const MDB_dbi table = OpenTable();
  EXPECT_EQ(Get(table), "old");
  ASSERT_TRUE(environment_.Grow().ok());
  EXPECT_EQ(Get(table), "old");
}

}  // namespace
}  // namespace salver
