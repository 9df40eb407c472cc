// Packs as they lie in LMDB: that reads come from them, that writers keep them, and that they go with their
// views.
#include "online/lmdb/lmdb_packs.h"

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "test/test_folder.h"

namespace salver {
namespace {

class LmdbPacksTest : public testing::Test {
 protected:
  void SetUp() override {
    options_ = {.path = folder_.path() + "/online", .project = "test"};
    Open();
    for (const char* name : {"a", "b"}) {
      auto view = std::make_shared<FeatureView>();
      view->name = name;
      view->join_keys = {{.name = "id", .type = ValueType::kInt64}};
      view->features = {{.name = "value", .type = ValueType::kInt64}};
      views_.push_back(std::move(view));
    }
    ASSERT_TRUE(store_->Apply(views_, {}).ok());
  }

  void Open() {
    store_ = OpenLmdbOnlineStore(options_).value();
    environment_ = LmdbEnvironment::OpenShared(options_).value();
  }
  // Every feature of the row has the value.
  void Write(size_t view, std::string_view key, int64_t event_us, int64_t value) {
    arrow::Int64Builder builder;
    ASSERT_TRUE(builder.Append(value).ok());
    const auto column = builder.Finish().ValueOrDie();
    arrow::FieldVector fields;
    for (const Field& feature : views_[view]->features)
      fields.push_back(arrow::field(feature.name, arrow::int64()));
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema(fields), 1, arrow::ArrayVector(fields.size(), column));
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
  // Whether reads of the pack say `expected`, as those of the views do.
  testing::AssertionResult Says(int64_t first, int64_t second) {
    for (const bool packed : {true, false, true}) {  // the first may open what the last finds open
      const auto read = ReadBoth(packed);
      if (!read.ok()) return testing::AssertionFailure() << read.status().ToString();
      if (*read != std::pair(first, second)) {
        return testing::AssertionFailure()
               << (packed ? "the pack says " : "the views say ") << read->first << " and " << read->second;
      }
    }
    return testing::AssertionSuccess();
  }
  // Runs `child` in another process, in turn with this one: both call PassTurn at the same steps, this
  // process last. LMDB forbids carrying an open environment over fork.
  void InTurns(const std::function<void()>& child, const std::function<void()>& parent) {
    store_.reset();
    environment_.reset();
    ASSERT_TRUE(::pipe(to_child_) == 0 && ::pipe(to_parent_) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      read_from_ = to_child_[0];
      write_to_ = to_parent_[1];
      ::close(to_child_[1]);  // so that the end of the parent ends the wait for it
      Open();
      child();
      store_.reset();
      ::_exit(HasFailure() ? 1 : 0);
    }
    read_from_ = to_parent_[0];
    write_to_ = to_child_[1];
    ::close(to_parent_[1]);
    ::close(to_child_[0]);
    Open();
    AwaitTurn();
    parent();
    ::close(to_child_[1]);
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  void AwaitTurn() {
    char byte;
    ASSERT_EQ(::read(read_from_, &byte, 1), 1) << "the other process has ended";
  }
  void PassTurn() {
    ASSERT_EQ(::write(write_to_, "", 1), 1);
    AwaitTurn();
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
  int to_child_[2], to_parent_[2], read_from_ = -1, write_to_ = -1;
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

TEST_F(LmdbPacksTest, AServiceOfOtherViewsIsReadFromAPackOfThem) {
  Write(0, "k", 10, 1);
  Write(1, "k", 10, 2);
  const RowPack fewer[] = {{"service", {views_[1]}}};
  ASSERT_TRUE(store_->ApplyPacks(fewer).ok());
  EXPECT_TRUE(Says(1, 2));
  ASSERT_TRUE(ApplyPack().ok());
  EXPECT_TRUE(Says(1, 2));
  std::string nothing;
  JoinPackRow(std::vector<std::string_view>(2), &nothing);
  EXPECT_FALSE(Overwrite("K00000003", nothing).ok()) << "the pack of before is gone";
  ASSERT_TRUE(Overwrite("K00000004", nothing).ok());
  EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{0}, int64_t{0}));
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

TEST_F(LmdbPacksTest, ThreadsReadOneMomentOfThePackWhileOthersWrite) {
  ASSERT_TRUE(ApplyPack().ok());
  Write(0, "k", 1, 1);
  Write(1, "k", 1, 1);
  std::atomic<bool> done{false};
  std::atomic<int> torn{0}, backwards{0}, reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      for (int64_t last = 0; !done;) {
        const auto read = ReadBoth(true);
        torn += !read.ok() || (read->first != read->second && read->first != read->second + 1);
        backwards += read.ok() && read->second < last;
        last = read.ok() ? read->second : last;
        ++reads;
      }
    });
  }
  for (int64_t i = 2; i < 300; ++i) {
    Write(0, "k", i, i);
    Write(1, "k", i, i);
  }
  while (reads < 100) std::this_thread::yield();
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(backwards, 0);
}

TEST_F(LmdbPacksTest, AProcessThatOpenedItsTablesBeforeKeepsThePack) {
  InTurns(
      [&] {
        Write(0, "k", 10, 1);
        Write(1, "k", 10, 2);
        PassTurn();
        Write(1, "k", 20, 3);
        EXPECT_TRUE(Says(1, 3));
        ASSERT_EQ(::write(write_to_, "", 1), 1);
      },
      [&] {
        ASSERT_TRUE(ApplyPack().ok());
        EXPECT_TRUE(Says(1, 2));
        PassTurn();
        EXPECT_TRUE(Says(1, 3));
        std::string nothing;
        JoinPackRow(std::vector<std::string_view>(2), &nothing);
        ASSERT_TRUE(Overwrite("K00000003", nothing).ok());
        EXPECT_EQ(ReadBoth(true).value(), std::pair(int64_t{0}, int64_t{0})) << "it was not read";
      });
}

TEST_F(LmdbPacksTest, WhatAnotherProcessAppliesIsSeenByOneThatHasThePackOpen) {
  InTurns(
      [&] {
        Write(0, "k", 10, 1);
        Write(1, "k", 10, 2);
        ASSERT_TRUE(ApplyPack().ok());
        PassTurn();
        ASSERT_TRUE(store_->ApplyPacks({}).ok());
        Write(0, "k", 20, 3);
        PassTurn();
        ASSERT_TRUE(ApplyPack().ok());
        Write(1, "k", 20, 4);
        PassTurn();
        auto wider = std::make_shared<FeatureView>(*views_[0]);
        wider->features.insert(wider->features.begin(), {.name = "more", .type = ValueType::kInt64});
        views_[0] = wider;
        ASSERT_TRUE(store_->Apply(views_, {}).ok());
        ASSERT_TRUE(ApplyPack().ok());
        Write(0, "k", 30, 5);  // of a schema that the other process does not know
        PassTurn();
        const std::vector<std::shared_ptr<const FeatureView>> first = {views_[0]};
        ASSERT_TRUE(store_->Apply({}, first).ok());
        ASSERT_TRUE(store_->Apply(views_, {}).ok());
        Write(0, "k", 1, 6);
        PassTurn();
        ASSERT_TRUE(ApplyPack().ok());
        Write(0, "k", 2, 7);
        ASSERT_EQ(::write(write_to_, "", 1), 1);
      },
      [&] {
        EXPECT_TRUE(Says(1, 2));
        PassTurn();
        EXPECT_TRUE(Says(3, 2));
        PassTurn();
        EXPECT_TRUE(Says(3, 4));
        PassTurn();
        EXPECT_TRUE(Says(5, 4));
        PassTurn();
        EXPECT_TRUE(Says(6, 4));
        PassTurn();
        EXPECT_TRUE(Says(7, 4));
      });
}

TEST_F(LmdbPacksTest, TeardownLeavesNothing) {
  Write(0, "k", 10, 1);
  ASSERT_TRUE(ApplyPack().ok());
  ASSERT_TRUE(store_->Teardown(views_).ok());
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/data.mdb"));
}

}  // namespace
}  // namespace salver
