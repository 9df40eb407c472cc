#include "materialize/materialize.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "materialize/load_mark.h"
#include "materialize/test_repository.h"
#include "online/online_stores.h"

namespace salver {
namespace {

constexpr int64_t kSecond = 1'000'000;  // what sqlite keeps

class MaterializeTest : public testing::TestWithParam<const char*> {
 protected:
  MaterializeTest()
      : folder_(testing::TempDir() + "/materialize-" + GetParam() + "-" + std::to_string(::getpid())),
        files_(folder_),
        repository_(&files_, 3) {}

  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/data");
    ASSERT_TRUE(repository_.Apply().ok());
    const std::string type = GetParam();
    if (type == "memory") {
      store_ = NewMemoryOnlineStore();
    } else if (type == "lmdb") {
      store_ = *OpenLmdbOnlineStore({.path = folder_ + "/store", .project = "p"});
    } else {
      store_ = *OpenSqliteOnlineStore({.path = folder_ + "/store.db", .project = "p"});
    }
    view_ = repository_.view();
    ASSERT_TRUE(store_->Apply(std::span(&view_, 1), {}).ok());
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // The registry's relative path, in the test's folder.
  class InFolder final : public Files {
   public:
    explicit InFolder(std::string folder) : folder_(std::move(folder)) {}
    Result<std::string> Read(const std::string& path) override { return System()->Read(In(path)); }
    Result<FileIdentity> Identify(const std::string& path) override { return System()->Identify(In(path)); }
    Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
      return System()->Create(In(path));
    }
    Status Rename(const std::string& from, const std::string& to) override {
      return System()->Rename(In(from), In(to));
    }
    Status Remove(const std::string& path) override { return System()->Remove(In(path)); }
    Status CreateFolders(const std::string& path) override { return System()->CreateFolders(In(path)); }
    Status SyncFolder(const std::string& path) override { return System()->SyncFolder(In(path)); }
    Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) override {
      return System()->Lock(In(path), deadline);
    }

   private:
    std::string In(const std::string& path) const { return JoinPath(folder_, path); }
    const std::string folder_;
  };

  // Event second and value of a key; nullopt when it is absent.
  std::optional<std::pair<int64_t, int64_t>> Get(int64_t id) {
    const std::string key = KeyOfId(id);
    const std::string_view keys[] = {key};
    const ColumnId columns[] = {0};
    const OnlineRead read{view_.get(), keys, columns};
    const auto rows = store_->Read(std::span(&read, 1), Deadline::Never());
    EXPECT_TRUE(rows.ok()) << rows.status().ToString();
    if (!rows.ok() || !(*rows)[0].present[0]) return std::nullopt;
    return std::pair((*rows)[0].event_us[0] / kSecond, (*rows)[0].at(0, 0).integer);
  }

  const std::string folder_;
  InFolder files_;
  TestRepository repository_;
  std::unique_ptr<OnlineStore> store_;
  std::shared_ptr<const FeatureView> view_;
};

// Any order of materializations and pushes leaves what the rule says, written out as plainly as it can be.
TEST_P(MaterializeTest, AnySequenceOfMaterializationsAndPushesLeavesTheNewestRows) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
  std::map<int64_t, HistoryRow> model;
  const auto arrives = [&](const HistoryRow& row) {
    const auto [at, is_new] = model.try_emplace(row.id, row);
    if (std::pair(row.event_us, row.created_us) >= std::pair(at->second.event_us, at->second.created_us))
      at->second = row;
  };
  std::vector<HistoryRow> history;
  for (int64_t value = 0; value < 3'000; ++value)
    history.push_back({below(400), below(50) * kSecond, below(3) * kSecond, value});
  for (int step = 0; step < 40; ++step) {
    if (random() % 2 == 0) {
      std::vector<HistoryRow> rows;
      for (int64_t i = below(20); i >= 0; --i)
        rows.push_back({below(450), below(60) * kSecond, below(4) * kSecond, 10'000 + step * 100 + i});
      ASSERT_TRUE(repository_.Push(store_.get(), rows).ok());
      for (const HistoryRow& row : rows) arrives(row);
      continue;
    }
    const int64_t start = below(50) * kSecond, end = start + below(20) * kSecond;
    const auto report = repository_.Materialize(
        store_.get(), history, start, end,
        {.memory_limit_bytes = random() % 2 == 0 ? 0 : 1, .threads = static_cast<int>(1 + below(3))});
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    for (const HistoryRow& row : history) {
      if (row.event_us >= start && row.event_us <= end) arrives(row);
    }
  }
  for (int64_t id = 0; id < 450; ++id) {
    const auto found = model.find(id);
    const auto got = Get(id);
    ASSERT_EQ(got.has_value(), found != model.end()) << id;
    if (got) {
      EXPECT_EQ(*got, std::pair(found->second.event_us / kSecond, found->second.value)) << id;
    }
  }
}

TEST_P(MaterializeTest, ReportsProgressUpToTheLastRow) {
  std::vector<HistoryRow> history;
  for (int64_t i = 0; i < 1'000; ++i) history.push_back({i % 100, i * kSecond, 0, i});
  MaterializeProgress last;
  int64_t calls = 0;
  const auto report = repository_.Materialize(store_.get(), history, 0, 2'000 * kSecond,
                                              {.on_progress = [&](const MaterializeProgress& progress) {
                                                EXPECT_GE(progress.all_rows_done, last.all_rows_done);
                                                last = progress;
                                                ++calls;
                                              }});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_GE(calls, 3);
  EXPECT_EQ(last.view, "driver_stats");
  EXPECT_TRUE(last.view_done);
  EXPECT_EQ(last.rows_done, 100);
  EXPECT_EQ(last.all_rows_total, 100);
  EXPECT_EQ(last.views_done, 1);
  EXPECT_EQ(report->views[0].rows_read, 1'000);
  EXPECT_EQ(report->views[0].rows_written, 100);
  const auto intervals = repository_.Intervals(&files_);
  ASSERT_EQ(intervals.size(), 1u);
  EXPECT_EQ(intervals[0].second, 100);
  EXPECT_EQ(*store_->ReadMark(*view_), "");
}

INSTANTIATE_TEST_SUITE_P(Stores, MaterializeTest, testing::Values("memory", "lmdb", "sqlite"),
                         [](const auto& info) { return std::string(info.param); });

TEST(LoadMark, AnyOtherBytesAreNoMark) {
  const LoadMark mark{"identity", std::string("key\0", 4), {7, 3}};
  const std::string bytes = EncodeLoadMark(mark);
  const auto read = DecodeLoadMark(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->identity, mark.identity);
  EXPECT_EQ(read->last_key, mark.last_key);
  EXPECT_EQ(read->counts.written, 7);
  EXPECT_EQ(read->counts.older, 3);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(DecodeLoadMark(damaged).has_value()) << i;
    EXPECT_FALSE(DecodeLoadMark(bytes.substr(0, i)).has_value()) << i;
  }
}

}  // namespace
}  // namespace salver
