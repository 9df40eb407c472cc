// Which tables a transaction may use.
#include "online/lmdb/lmdb_tables.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "online/lmdb/lmdb_environment.h"
#include "test/test_folder.h"

namespace salver {
namespace {

// As when two loops of a server that has just started are asked for the same view.
TEST(LmdbTablesTest, AViewThatAnotherThreadOpensWhileAReadBeginsIsOpenedForTheRead) {
  const TestFolder folder;
  LmdbEnvironment environment({.path = folder.path(), .project = "test"});
  ASSERT_TRUE(environment.Open().ok());
  const auto view = std::make_shared<FeatureView>();
  view->name = "stats";
  LmdbTables tables(&environment, "test");
  ASSERT_TRUE(environment.InWrite([&](MDB_txn* txn) { return tables.Add(txn, *view); }).ok());
  tables.Forget();
  environment.Close();  // so that the table is not open
  ASSERT_TRUE(environment.Open().ok());
  const OnlineRead read{view.get(), {}, {}};
  std::vector<LmdbTables::TablePtr> found;
  for (int round = 0; round < 2; ++round) {  // in the second the table is known
    LmdbEnvironment::Reader reader(&environment), other(&environment);
    ASSERT_TRUE(reader.Begin().ok());
    ASSERT_TRUE(tables.Open(*view).ok());
    ASSERT_TRUE(other.Begin().ok());
    ASSERT_EQ(tables.Find(other.get(), {&read, 1}, &found).value(), nullptr);
    const auto missing = tables.Find(reader.get(), {&read, 1}, &found);
    ASSERT_TRUE(missing.ok());
    EXPECT_EQ(*missing, round == 0 ? view.get() : nullptr);
    MDB_val key = ToVal("key"), value;
    for (const auto& table : found) EXPECT_EQ(mdb_get(reader.get(), table->rows, &key, &value), MDB_NOTFOUND);
  }
}

}  // namespace
}  // namespace salver
