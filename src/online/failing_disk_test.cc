// Disks that are full, and disks that fail to sync, under the stores that are files. The calls of libc that
// LMDB and SQLite make are taken over by this program: a test says from when on they fail.
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "online/online_stores.h"
#include "online/row_packer.h"
#include "salver/entity_key.h"

namespace {

std::atomic<bool> disk_is_full{false}, syncs_fail{false};

bool Refused(std::atomic<bool>& flag, int error) {
  if (flag) errno = error;
  return flag;
}

bool IsFile(int fd) {
  return fd > 2;
}

}  // namespace

extern "C" {
ssize_t write(int fd, const void* data, size_t size) {
  if (IsFile(fd) && Refused(disk_is_full, ENOSPC)) return -1;
  return ::syscall(SYS_write, fd, data, size);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  if (Refused(disk_is_full, ENOSPC)) return -1;
  return ::syscall(SYS_pwrite64, fd, data, size, at);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off_t at) {
  return pwrite(fd, data, size, at);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  if (IsFile(fd) && Refused(disk_is_full, ENOSPC)) return -1;
  return ::syscall(SYS_writev, fd, parts, count);
}
int fdatasync(int fd) {
  if (Refused(syncs_fail, EIO)) return -1;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
int fsync(int fd) {
  if (Refused(syncs_fail, EIO)) return -1;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
}

namespace salver {
namespace {

class FailingDisk : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/failing-" + GetParam() + "-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    auto view = std::make_shared<FeatureView>();
    view->name = "v";
    view->join_keys = {{.name = "id", .type = ValueType::kInt64}};
    view->features = {{.name = "a", .type = ValueType::kInt64}};
    view_ = view;
    Open();
    ASSERT_TRUE(store_->Apply(std::span(&view_, 1), {}).ok());
  }
  void TearDown() override {
    disk_is_full = syncs_fail = false;
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Open() {
    store_.reset();
    if (std::string(GetParam()) == "lmdb") {
      store_ = *OpenLmdbOnlineStore({.path = folder_ + "/store", .project = "p"});
    } else {
      store_ = *OpenSqliteOnlineStore({.path = folder_ + "/store.db", .project = "p"});
    }
  }

  static std::string Key(int64_t id) {
    const Field join_key{.name = "id", .type = ValueType::kInt64};
    std::string key = EntityKeyEncoder::Make(std::span(&join_key, 1))->prefix();
    EntityKeyEncoder::AppendInt64(id, &key);
    return key;
  }

  // Loads ids [0, count) with `value`.
  Status Load(int64_t count, int64_t value) {
    std::vector<std::string> keys;
    std::vector<int64_t> times(static_cast<size_t>(count), 1'000'000 * (1 + value));
    std::vector<uint32_t> rows;
    arrow::Int64Builder values;
    for (int64_t id = 0; id < count; ++id) {
      keys.push_back(Key(id));
      rows.push_back(static_cast<uint32_t>(id));
      EXPECT_TRUE(values.Append(value).ok());
    }
    const std::vector<std::string_view> key_views(keys.begin(), keys.end());
    const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::int64())}), count,
                                                {*values.Finish()});
    SALVER_ASSIGN(const PackedBatch packed, PackRows(*view_, {key_views, times, {}, batch.get()}, rows));
    SALVER_ASSIGN(const auto load, store_->BeginLoad(std::span(&view_, 1)));
    SALVER_RETURN_NOT_OK(load->Write(*view_, packed.view()).status());
    SALVER_RETURN_NOT_OK(load->SetMark(*view_, "mark " + std::to_string(value)));
    return load->Commit();
  }

  // How many of ids [0, count) have `value`.
  int64_t CountOf(int64_t count, int64_t value) {
    int64_t found = 0;
    for (int64_t id = 0; id < count; ++id) {
      const std::string key = Key(id);
      const std::string_view keys[] = {key};
      const ColumnId columns[] = {0};
      const OnlineRead read{view_.get(), keys, columns};
      const auto rows = store_->Read(std::span(&read, 1), Deadline::Never());
      EXPECT_TRUE(rows.ok()) << rows.status().ToString();
      found += rows.ok() && (*rows)[0].present[0] && (*rows)[0].at(0, 0).integer == value;
    }
    return found;
  }

  std::string folder_;
  std::shared_ptr<const FeatureView> view_;
  std::unique_ptr<OnlineStore> store_;
};

TEST_P(FailingDisk, AFullDiskLeavesTheTransactionOutAndMayBeTriedAgain) {
  ASSERT_TRUE(Load(500, 1).ok());
  disk_is_full = true;
  const Status full = Load(500, 2);
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted) << full.ToString();
  EXPECT_NE(full.message().find("Free some space"), std::string::npos) << full.message();
  EXPECT_EQ(CountOf(500, 1), 500);
  disk_is_full = false;
  EXPECT_EQ(*store_->ReadMark(*view_), "mark 1");
  const Status again = Load(500, 3);
  EXPECT_TRUE(again.ok()) << again.ToString();
  EXPECT_EQ(CountOf(500, 3), 500);
}

TEST_P(FailingDisk, AfterAFailedSyncTheStoreIsReadOnlyUntilItIsOpenedAgain) {
  ASSERT_TRUE(Load(50, 1).ok());
  syncs_fail = true;
  EXPECT_FALSE(Load(50, 2).ok());
  syncs_fail = false;
  const Status refused = Load(50, 3);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
  EXPECT_NE(refused.message().find("read-only"), std::string::npos) << refused.message();
  EXPECT_EQ(CountOf(50, 3), 0);
  Open();
  const Status reopened = Load(50, 4);
  EXPECT_TRUE(reopened.ok()) << reopened.ToString();
  EXPECT_EQ(CountOf(50, 4), 50);
}

INSTANTIATE_TEST_SUITE_P(Stores, FailingDisk, testing::Values("lmdb", "sqlite"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace salver
