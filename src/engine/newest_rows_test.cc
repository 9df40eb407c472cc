#include "engine/newest_rows.h"

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/parallel.h"
#include "kernel/no_time.h"
#include "salver/online_store.h"

namespace salver {
namespace {

struct Row {
  std::optional<int64_t> key;
  int64_t event_us, created_us;
};

ScannedRows Scanned(const std::vector<Row>& rows, size_t begin, size_t end, bool text_keys) {
  ScannedRows scanned;
  scanned.first_position = static_cast<int64_t>(begin);
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (size_t i = begin; i < end; ++i) {
    const auto& key = rows[i].key;
    EXPECT_TRUE((key ? numbers.Append(*key) : numbers.AppendNull()).ok());
    EXPECT_TRUE((key ? texts.Append("key " + std::to_string(*key)) : texts.AppendNull()).ok());
    scanned.event_us.push_back(rows[i].event_us);
    scanned.created_us.push_back(rows[i].created_us);
  }
  scanned.keys.push_back(text_keys ? *texts.Finish() : *numbers.Finish());
  return scanned;
}

std::vector<int64_t> BruteForce(const std::vector<Row>& rows, int64_t start_us, int64_t end_us) {
  std::map<int64_t, size_t> newest;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].key || rows[i].event_us == kNoTime || rows[i].event_us < start_us ||
        rows[i].event_us > end_us)
      continue;
    const auto rank = [&](size_t row) { return std::tuple(rows[row].event_us, rows[row].created_us, row); };
    const auto [at, is_new] = newest.try_emplace(*rows[i].key, i);
    if (!is_new && rank(i) > rank(at->second)) at->second = i;
  }
  std::vector<int64_t> positions;
  for (const auto& [key, row] : newest) positions.push_back(static_cast<int64_t>(row));
  std::sort(positions.begin(), positions.end());
  return positions;
}

// Enough keys that they fall out of the workers' tables, with a memory limit that sends every block to disk.
TEST(NewestRows, EqualsBruteForceForAnyThreadsAndMemory) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const int64_t keys : {1, 700, 200'000}) {
    std::vector<Row> rows(150'000);
    for (Row& row : rows) {
      row.event_us = random() % 100 == 0 ? kNoTime : static_cast<int64_t>(random() % 50);
      row.created_us = static_cast<int64_t>(random() % 3);
      if (random() % 100 != 0) row.key = static_cast<int64_t>(random() % static_cast<uint64_t>(keys));
    }
    const std::vector<int64_t> expected = BruteForce(rows, 5, 40);
    for (const int64_t memory : {0, 1}) {
      const int threads = 1 + static_cast<int>(random() % 3);
      NewestRows newest(static_cast<int64_t>(rows.size()),
                        {5, 40, threads, memory, testing::TempDir(), nullptr});
      constexpr size_t kGroup = 10'000;
      const Status added = ParallelForWorkers(rows.size() / kGroup, threads, [&](size_t i, size_t worker) {
        const ScannedRows scanned = Scanned(rows, i * kGroup, (i + 1) * kGroup, keys == 700);
        const size_t cut = i % 3 * 1000;
        SALVER_RETURN_NOT_OK(newest.Add(worker, scanned, cut, kGroup));
        return newest.Add(worker, scanned, 0, cut);
      });
      ASSERT_TRUE(added.ok()) << added.ToString();
      ASSERT_TRUE(newest.Finish(threads).ok());
      std::vector<int64_t> positions;
      newest.AppendPositions(0, 77, &positions);
      newest.AppendPositions(77, static_cast<int64_t>(rows.size()), &positions);
      ASSERT_EQ(positions, expected) << keys << " keys, memory " << memory;
      EXPECT_EQ(newest.count(), static_cast<int64_t>(expected.size()));
      EXPECT_EQ(newest.CountIn(0, 99'999) + newest.CountIn(99'999, 150'000), newest.count());
      if (keys > 100'000) {
        EXPECT_EQ(newest.bytes_spilled() > 0, memory > 0);
      }
    }
  }
}

// Files whose disk is full after some bytes.
class FullDisk final : public Files {
  class File final : public TemporaryFile {
   public:
    Status Append(std::string_view) override { return Status::ResourceExhausted("no space left on device."); }
    Status ReadAt(int64_t, std::span<char>) const override { return Status::Internal("never written"); }
    int64_t size() const override { return 0; }
  };

 public:
  Result<std::string> Read(const std::string& path) override { return System()->Read(path); }
  Result<FileIdentity> Identify(const std::string& path) override { return System()->Identify(path); }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    return System()->Create(path);
  }
  Status Rename(const std::string&, const std::string&) override { return Status::OK(); }
  Status Remove(const std::string&) override { return Status::OK(); }
  Status CreateFolders(const std::string&) override { return Status::OK(); }
  Status SyncFolder(const std::string&) override { return Status::OK(); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) override {
    return System()->Lock(path, deadline);
  }
  Result<std::unique_ptr<TemporaryFile>> CreateTemporary(const std::string&) override {
    return std::unique_ptr<TemporaryFile>(new File);
  }
};

TEST(NewestRows, AFullDiskIsSaid) {
  FullDisk files;
  std::vector<Row> rows;
  for (int64_t i = 0; i < 100'000; ++i) rows.push_back({i, 1, 1});
  NewestRows newest(100'000, {0, 10, 1, 1, testing::TempDir(), &files});
  EXPECT_EQ(newest.Add(0, Scanned(rows, 0, rows.size(), false), 0, rows.size()).code(),
            StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace salver
