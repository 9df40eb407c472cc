// The store that routes views to other stores.
#include <lmdb.h>

#include "online/online_stores.h"
#include "online/store_suite.h"
#include "test/test_folder.h"

namespace salver {
namespace {

class HybridStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    std::map<std::string, std::unique_ptr<OnlineStore>> stores;
    for (const char* name : {"one", "two"}) {
      auto store = NewMemoryOnlineStore();
      by_name_[name] = store.get();
      stores[name] = std::move(store);
    }
    store_ = NewHybridOnlineStore("team", std::move(stores));
  }
  static ViewPtr Tagged(const std::string& name, const std::string& team) {
    auto view = std::make_shared<FeatureView>(*MakeView(name, kTwoFeatures));
    if (!team.empty()) view->tags["team"] = team;
    return view;
  }
  bool Has(const std::string& store, const FeatureView& view) {
    const std::string key = Key(1);
    const std::string_view keys[] = {key};
    const OnlineRead read{&view, keys, {}};
    const auto rows = by_name_[store]->Read(std::span(&read, 1), Deadline::Never());
    return rows.ok() && (*rows)[0].present[0];
  }

  std::map<std::string, OnlineStore*> by_name_;
};

TEST_F(HybridStoreTest, EachViewIsInTheStoreThatItsTagNames) {
  const ViewPtr first = Tagged("first", "one"), second = Tagged("second", "Two");
  Apply({first, second});
  ASSERT_TRUE(Write(*first, {{1, kSecond, 0, {1, 2}}}).ok());
  ASSERT_TRUE(Write(*second, {{1, 2 * kSecond, 0, {3, 4}}}).ok());
  EXPECT_TRUE(Has("one", *first) && Has("two", *second));
  EXPECT_FALSE(Has("one", *second) || Has("two", *first));
  // One read over both, in the order asked.
  const std::string key = Key(1);
  const std::string_view keys[] = {key};
  const ColumnId columns[] = {0};
  const OnlineRead reads[] = {
      {second.get(), keys, columns}, {first.get(), keys, columns}, {second.get(), keys, columns}};
  const auto rows = store_->Read(reads, Deadline::Never());
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ((*rows)[0].at(0, 0).integer, 3);
  EXPECT_EQ((*rows)[1].at(0, 0).integer, 1);
  EXPECT_EQ((*rows)[2].at(0, 0).integer, 3);
  Apply({second}, {first});
  EXPECT_FALSE(Has("one", *first));
  EXPECT_TRUE(Has("two", *second));
}

// Whether an lmdb store that nobody has open keeps a pack, which its table of tables says.
bool KeepsPack(const std::string& path, const std::string& name) {
  MDB_env* env;
  MDB_txn* txn;
  MDB_dbi main;
  EXPECT_EQ(mdb_env_create(&env), 0);
  EXPECT_EQ(mdb_env_open(env, path.c_str(), MDB_RDONLY, 0644), 0);
  EXPECT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), 0);
  EXPECT_EQ(mdb_dbi_open(txn, nullptr, 0, &main), 0);
  std::string record = "Ptest" + std::string(1, '\0') + name;
  MDB_val key{record.size(), record.data()}, value;
  const int error = mdb_get(txn, main, &key, &value);
  EXPECT_TRUE(error == 0 || error == MDB_NOTFOUND);
  mdb_txn_abort(txn);
  mdb_env_close(env);
  return error == 0;
}

TEST_F(HybridStoreTest, APackIsInTheStoreOfAllItsViews) {
  TestFolder folder;
  const auto open = [&] {
    std::map<std::string, std::unique_ptr<OnlineStore>> stores;
    for (const char* name : {"one", "two"})
      stores[name] = OpenLmdbOnlineStore({.path = folder.path() + "/" + name, .project = "test"}).value();
    store_ = NewHybridOnlineStore("team", std::move(stores));
  };
  const auto kept = [&] {
    store_.reset();
    std::string packs;
    for (const std::string store : {"one", "two"}) {
      for (const std::string pack : {"of_one", "of_both"})
        packs += KeepsPack(folder.path() + "/" + store, pack) ? " " + pack + " in " + store : "";
    }
    open();
    return packs;
  };
  open();
  EXPECT_TRUE(store_->capabilities().packs);
  const ViewPtr first = Tagged("first", "one"), second = Tagged("second", "one"),
                third = Tagged("third", "two");
  Apply({first, second, third});
  const RowPack packs[] = {{"of_one", {first, second}}, {"of_both", {second, third}}};
  ASSERT_TRUE(store_->ApplyPacks(packs).ok());
  EXPECT_EQ(kept(), " of_one in one");
  for (const auto& view : {first, second, third}) ASSERT_TRUE(Write(*view, {{1, kSecond, 0, {1, 2}}}).ok());
  const std::string key = Key(1);
  const std::string_view keys[] = {key};
  const ColumnId columns[] = {1};
  const OnlineRead of_one[] = {{first.get(), keys, columns}, {second.get(), keys, columns}},
                   of_both[] = {{third.get(), keys, columns}, {second.get(), keys, columns}};
  for (const auto& [pack, reads] : {std::pair("of_one", of_one), std::pair("of_both", of_both)}) {
    const auto rows = store_->ReadPack(pack, std::span(reads, 2), Deadline::Never());
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    EXPECT_EQ((*rows)[0].at(0, 0).integer, 2);
    EXPECT_EQ((*rows)[1].at(0, 0).integer, 2);
  }
  ASSERT_TRUE(store_->ApplyPacks({}).ok());
  EXPECT_EQ(kept(), "");
}

TEST_F(HybridStoreTest, AViewThatNamesNoStoreIsRefusedByName) {
  const ViewPtr untagged = Tagged("untagged", ""), astray = Tagged("astray", "tw");
  for (const ViewPtr& view : {untagged, astray}) {
    const Status status = store_->Apply(std::span(&view, 1), {});
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(status.message().find(view->name), std::string::npos) << status.message();
  }
  EXPECT_NE(store_->Apply(std::span(&astray, 1), {}).message().find("Did you mean \"two\"?"),
            std::string::npos);
}

}  // namespace
}  // namespace salver
