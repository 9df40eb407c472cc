// Packs as they lie in LMDB: that reads come from them, that writers keep them, and that they go with their
// views.
#include "online/lmdb/lmdb_packs.h"

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "test/test_folder.h"

namespace salver {
namespace {

class LmdbPacksTest : public testing::Test {
 protected:
  void SetUp() override {
    options_ = {.path = folder_.path() + "/online", .project = "test"};
    store_ = OpenLmdbOnlineStore(options_).value();
    environment_ = LmdbEnvironment::OpenShared(options_).value();
    for (const char* name : {"a", "b"}) {
      auto view = std::make_shared<FeatureView>();
      view->name = name;
      view->join_keys = {{.name = "id", .type = ValueType::kInt64}};
      view->features = {{.name = "value", .type = ValueType::kInt64}};
      views_.push_back(std::move(view));
    }
    ASSERT_TRUE(store_->Apply(views_, {}).ok());
  }

  void Write(size_t view, std::string_view key, int64_t event_us, int64_t value) {
    arrow::Int64Builder builder;
    ASSERT_TRUE(builder.Append(value).ok());
    const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("value", arrow::int64())}), 1,
                                                {builder.Finish().ValueOrDie()});
    const auto counts =
        store_->Write(*views_[view], {{&key, 1}, {&event_us, 1}, {}, batch.get()}, Deadline::Never());
    ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  }
  // The values of key "k" in both views; 0 where there is none.
  Result<std::pair<int64_t, int64_t>> ReadBoth(bool packed) {
    const std::string_view keys[] = {"k"};
    const ColumnId columns[] = {0};
    const OnlineRead reads[] = {{views_[0].get(), keys, columns}, {views_[1].get(), keys, columns}};
    SALVER_ASSIGN(const auto rows, packed ? store_->ReadPack("service", reads, Deadline::Never())
                                          : store_->Read(reads, Deadline::Never()));
    return std::pair(rows[0].at(0, 0).integer, rows[1].at(0, 0).integer);
  }
  Status ApplyPack() {
    const RowPack packs[] = {{"service", views_}};
    return store_->ApplyPacks(packs);
  }
  // Puts `bytes` in place of key "k" of a pack's table.
  Status Overwrite(const char* table, std::string_view bytes) {
    return environment_->InWrite([&](MDB_txn* txn) {
      MDB_dbi rows;
      std::lock_guard opening(environment_->table_opening());
      if (const int error = mdb_dbi_open(txn, table, 0, &rows); error != 0) return error;
      MDB_val key = ToVal("k"), value = ToVal(bytes);
      return mdb_put(txn, rows, &key, &value, 0);
    });
  }

  TestFolder folder_;
  LmdbOptions options_;
  std::unique_ptr<OnlineStore> store_;
  std::shared_ptr<LmdbEnvironment> environment_;
  std::vector<std::shared_ptr<const FeatureView>> views_;
};

TEST_F(LmdbPacksTest, ReadsComeFromThePackAndOthersDoNot) {
  Write(0, "k", 10, 1);
  Write(1, "k", 10, 2);
  ASSERT_TRUE(ApplyPack().ok());
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{1}, int64_t{2}));
  std::string empty;
  JoinPackRow(std::vector<std::string_view>(2), &empty);
  ASSERT_TRUE(Overwrite("K00000003", empty).ok());
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{0}, int64_t{0})) << "what the pack says";
  EXPECT_EQ(ReadBoth(false).value(), std::pair(int64_t{1}, int64_t{2}));
  Write(1, "k", 20, 3);
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{0}, int64_t{3})) << "a write changes its view's part";
}

TEST_F(LmdbPacksTest, AnOlderRowDoesNotReachThePack) {
  ASSERT_TRUE(ApplyPack().ok());
  Write(0, "k", 10, 1);
  Write(0, "k", 5, 7);
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{1}, int64_t{0}));
}

TEST_F(LmdbPacksTest, DamagedRowsAreDataLossNamingTheService) {
  Write(0, "k", 10, 1);
  ASSERT_TRUE(ApplyPack().ok());
  ASSERT_TRUE(ReadBoth(false).ok());  // opens the tables, without which a pack is not read
  for (const std::string& bytes :
       {std::string(), std::string(7, '\0'), std::string(8, '\xff'), std::string(9, '\0')}) {
    ASSERT_TRUE(Overwrite("K00000003", bytes).ok());
    const auto read = ReadBoth(true);
    EXPECT_EQ(read.status().code(), StatusCode::kDataLoss) << bytes.size();
    EXPECT_NE(read.status().message().find("\"service\""), std::string::npos);
  }
}

TEST_F(LmdbPacksTest, ADroppedViewTakesItsPacksAlong) {
  Write(0, "k", 10, 1);
  ASSERT_TRUE(ApplyPack().ok());
  const std::vector<std::shared_ptr<const FeatureView>> first = {views_[0]};
  ASSERT_TRUE(store_->Apply({}, first).ok());
  ASSERT_TRUE(store_->Apply(views_, {}).ok());
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{0}, int64_t{0}));
  Write(0, "k", 1, 4);
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{4}, int64_t{0}));
  ASSERT_TRUE(ApplyPack().ok());
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{4}, int64_t{0}));
}

TEST_F(LmdbPacksTest, TeardownLeavesNothing) {
  Write(0, "k", 10, 1);
  ASSERT_TRUE(ApplyPack().ok());
  ASSERT_TRUE(store_->Teardown(views_).ok());
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/data.mdb"));
}

}  // namespace
}  // namespace salver
