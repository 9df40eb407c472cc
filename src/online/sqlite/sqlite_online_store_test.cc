// What SQLite's file can meet while a store has it open: other writers, other files in its place, damage.
#include "online/sqlite/sqlite_store_test.h"

namespace salver {
namespace {

TEST_F(SqliteStoreTest, ReadsWhatAnotherConnectionHasJustCommitted) {
  Apply({view_});
  for (int value = 1; value < 50; ++value) {
    RunSql(Insert("v", 1, "a", value));
    ASSERT_EQ(Get(*view_, 1), std::to_string(value) + "@5");
  }
}

TEST_F(SqliteStoreTest, FollowsAFileThatGrowsAndThatVacuumMakesShorter) {
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(2000, 7)).ok());
  Reopen();
  EXPECT_EQ(Get(*view_, 1999), "7@5");
  const auto before = std::filesystem::file_size(path_);
  RunSql(
      "CREATE TABLE other AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
      "SELECT i, zeroblob(1000) FROM n; PRAGMA wal_checkpoint(TRUNCATE);");
  EXPECT_GT(std::filesystem::file_size(path_), 2 * before);
  EXPECT_EQ(Get(*view_, 1999), "7@5");
  RunSql("DROP TABLE other; DELETE FROM p_v WHERE entity_key <> x'" + Hex(Key(1999)) +
         "'; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
  EXPECT_LT(std::filesystem::file_size(path_), before);
  EXPECT_EQ(Get(*view_, 1999), "7@5");
  EXPECT_EQ(Get(*view_, 0), "absent");
}

TEST_F(SqliteStoreTest, AFileThatWasReplacedIsReadAndWrittenAsItIsNow) {
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(1, 7)).ok());
  EXPECT_EQ(Get(*view_, 0), "7@5");
  const std::string other = folder_ + "/other.db";
  auto before = std::exchange(store_, OpenAt(other));
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(1, 8)).ok());
  store_ = std::move(before);
  for (const char* log : {"-wal", "-shm"}) std::filesystem::remove(path_ + log);
  std::filesystem::rename(other, path_);
  EXPECT_EQ(Get(*view_, 0), "8@5");
  ASSERT_TRUE(Write(*view_, Rows(1, 9)).ok());
  Reopen();
  EXPECT_EQ(Get(*view_, 0), "9@5");
}

TEST_F(SqliteStoreTest, AFileThatWasDeletedIsAnErrorUntilItIsMadeAgain) {
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(1, 7)).ok());
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  for (const Status& status : {Read(*view_, {0}, {0}).status(), Write(*view_, Rows(1, 8)).status(),
                               store_->ReadMark(*view_).status()}) {
    EXPECT_EQ(status.reason(), Reason::kViewNotFound) << status.ToString();
    EXPECT_NE(status.message().find(path_), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("salver apply"), std::string::npos) << status.message();
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  Apply({view_});
  EXPECT_EQ(Get(*view_, 0), "absent");
  ASSERT_TRUE(Write(*view_, Rows(1, 9)).ok());
  EXPECT_EQ(Get(*view_, 0), "9@5");
}

TEST_F(SqliteStoreTest, AFileThatWasCutShortIsAnErrorNotACrash) {
  Apply({view_});
  for (const uintmax_t left : {uintmax_t{8192}, uintmax_t{4096}, uintmax_t{100}}) {
    ASSERT_TRUE(Write(*view_, Rows(2000, 7)).ok());
    Reopen();  // what is read next lies in the file, not in the log
    const std::string whole = folder_ + "/whole";
    std::filesystem::copy_file(path_, whole, std::filesystem::copy_options::overwrite_existing);
    RunSql("CREATE TABLE other(a)");  // with something in the log, SQLite does not look at the file's size
    EXPECT_EQ(Get(*view_, 1999), "7@5");
    std::filesystem::resize_file(path_, left);
    const Status status = Read(*view_, {1999}, {0}).status();
    EXPECT_FALSE(status.ok()) << left;
    EXPECT_NE(status.message().find(path_), std::string::npos) << status.message();
    store_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
    std::filesystem::rename(whole, path_);
    Reopen();
  }
}

TEST_F(SqliteStoreTest, AViewThatOthersDroppedIsAnErrorThatSaysSo) {
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(1, 7)).ok());
  EXPECT_EQ(Get(*view_, 0), "7@5");
  RunSql("DROP TABLE p_v");
  const Status status = Read(*view_, {0}, {0}).status();
  EXPECT_EQ(status.reason(), Reason::kViewNotFound) << status.ToString();
}

TEST_F(SqliteStoreTest, AReadThatEndsAtADamagedValueHoldsNoOldRows) {
  const ViewPtr other = MakeView("other", kTwoFeatures);
  Apply({view_, other});
  RunSql(Insert("other", 1, "a", 1) + Insert("v", 1, "a", 1) + "UPDATE p_v SET value = x'ff'");
  EXPECT_EQ(Read(*view_, {1}, {0}).status().code(), StatusCode::kDataLoss);
  RunSql(Insert("other", 1, "a", 2));
  EXPECT_EQ(Get(*other, 1), "2@5");
}

TEST_F(SqliteStoreTest, FeaturesAreFoundInAnyOrderAndAsOftenAsTheyAreAskedFor) {
  const ViewPtr view = MakeView("v", {{.name = "a", .type = ValueType::kInt64},
                                      {.name = "b", .type = ValueType::kInt64},
                                      {.name = "c", .type = ValueType::kInt64}});
  Apply({view});
  RunSql(Insert("v", 1, "b", 2) + Insert("v", 1, "unknown", 9) + Insert("v", 1, "c", 3) +
         Insert("v", 1, "a", 1) + Insert("v", 2, "c", 6) + Insert("v", 2, "a", 4));
  for (const std::vector<ColumnId>& columns :
       std::vector<std::vector<ColumnId>>{{0, 1, 2}, {2, 1, 0}, {1}, {0, 2}, {1, 1, 0}, {2, 0, 0, 2}, {}}) {
    const auto rows = Read(*view, {2, 1, 3, 2}, columns);
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    EXPECT_EQ(std::vector<int>(rows->present.begin(), rows->present.end()), (std::vector<int>{1, 1, 0, 1}));
    for (size_t i = 0; i < columns.size(); ++i) {
      const int64_t column = columns[i];
      EXPECT_EQ(rows->at(1, i).integer, 1 + column);
      for (const size_t row : {size_t{0}, size_t{3}}) {
        EXPECT_EQ(rows->at(row, i).null(), column == 1);
        EXPECT_EQ(rows->at(row, i).integer, column == 1 ? 0 : 4 + column);
      }
      EXPECT_TRUE(rows->at(2, i).null());
    }
  }
}

}  // namespace
}  // namespace salver
