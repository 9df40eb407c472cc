// The power goes at every call to the file layer while a materialization of several transactions runs, with
// everything that a disk may have kept. Whatever is left: an interval is claimed only when all its rows are
// there, a mark says no more than the rows beside it, and the next run makes everything whole and counts
// every row once.
#include <gtest/gtest.h>

#include <set>

#include "base/power_loss_files.h"
#include "materialize/load_mark.h"
#include "materialize/test_repository.h"
#include "materialize/test_store.h"
#include "model/wire.h"
#include "salver/packed_row.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

constexpr int64_t kRows = 40;
const MaterializeOptions kSmallChunks{.memory_limit_bytes = 1};
constexpr char kStore[] = "store/rows", kStoreMark[] = "store/mark";

std::vector<HistoryRow> History() {
  std::vector<HistoryRow> rows;
  for (int64_t i = 0; i < 2 * kRows; ++i) rows.push_back({i % kRows, 10 + i, 0, i});
  return rows;
}

enum class Bug { kNone, kRowsNotSynced, kMarkFirst };

// A store whose every commit replaces one file.
class FileStore final : public LoadOnlyStore {
 public:
  FileStore(Files* files, Bug bug) : files_(files), bug_(bug) { LoadFile(); }

  std::map<std::string, std::string> rows;
  std::string mark;

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>>) override {
    return std::unique_ptr<OnlineLoad>(new Load(this));
  }
  Result<std::string> ReadMark(const FeatureView&) override { return mark; }

 private:
  class Load final : public OnlineLoad {
   public:
    explicit Load(FileStore* store) : store_(store), rows_(store->rows), mark_(store->mark) {}
    Result<WriteCounts> Write(const FeatureView&, const PackedRows& packed) override {
      WriteCounts counts;
      for (size_t i = 0; i < packed.keys.size(); ++i) {
        const auto [at, is_new] = rows_.try_emplace(std::string(packed.keys[i]), packed.rows[i]);
        const RowHeader has = *DecodeRowHeader(packed.rows[i]), had = *DecodeRowHeader(at->second);
        const bool newer = IsNewer(has.event_us, has.created_us, had.event_us, had.created_us);
        if (newer) at->second = packed.rows[i];
        ++(newer ? counts.written : counts.older);
      }
      return counts;
    }
    Status SetMark(const FeatureView&, std::string_view mark) override {
      mark_ = mark;
      return store_->bug_ == Bug::kMarkFirst ? ReplaceFile(store_->files_, kStoreMark, mark) : Status::OK();
    }
    int64_t bytes_held() const override { return INT64_MAX; }  // a transaction a chunk
    Status Commit() override {
      std::string bytes;
      for (const auto& [key, row] : rows_) {
        wire::AppendBytes(1, key, &bytes);
        wire::AppendBytes(2, row, &bytes);
      }
      wire::AppendBytes(3, mark_, &bytes);
      SALVER_RETURN_NOT_OK(store_->Save(bytes));
      store_->rows = rows_;
      store_->mark = mark_;
      return Status::OK();
    }

   private:
    FileStore* const store_;
    std::map<std::string, std::string> rows_;
    std::string mark_;
  };

  Status Save(const std::string& bytes) {
    if (bug_ != Bug::kRowsNotSynced) return ReplaceFile(files_, kStore, bytes);
    SALVER_ASSIGN(const auto file, files_->Create(kStore));
    return file->Append(bytes);
  }

  void LoadFile() {
    const auto bytes = files_->Read(kStore);
    if (!bytes.ok()) return;
    wire::Reader reader(*bytes);
    std::string_view key, row, stored_mark;
    while (!reader.done() && reader.Next()) {
      if (reader.field() == 1) {
        EXPECT_TRUE(reader.Bytes(&key));
      }
      if (reader.field() == 2 && reader.Bytes(&row)) rows[std::string(key)] = row;
      if (reader.field() == 3 && reader.Bytes(&stored_mark)) mark = stored_mark;
    }
    if (const auto first = files_->Read(kStoreMark); bug_ == Bug::kMarkFirst && first.ok()) mark = *first;
  }

  Files* const files_;
  const Bug bug_;
};

// What is wrong with what the disk has, or "".
std::string Check(TestRepository* repository, Files* disk, const FileStore& store) {
  if (!repository->Intervals(disk).empty() && store.rows.size() != kRows)
    return "an interval is claimed without its rows";
  const auto mark = DecodeLoadMark(store.mark);
  if (!store.mark.empty() && !mark) return "the mark can not be read";
  for (int64_t id = 0; mark && id < kRows; ++id) {
    if (KeyOfId(id) <= mark->last_key && !store.rows.contains(KeyOfId(id)))
      return "a mark is ahead of its rows";
  }
  return "";
}

struct Crash {
  std::set<std::string> problems;
  int crashes = 0, resumed = 0;
};

// The run that follows must make everything whole.
std::string FinishAfterwards(TestRepository* repository, Files* disk, Bug bug, Crash* crash) {
  FileStore store(disk, bug);
  const auto report = repository->Materialize(&store, History(), 0, 1000, kSmallChunks);
  if (!report.ok()) return "the next run fails: " + report.status().ToString();
  const auto& view = report->views[0];
  crash->resumed += view.rows_resumed > 0;
  if (store.rows.size() != kRows || !store.mark.empty()) return "the next run leaves rows out, or a mark";
  for (int64_t id = 0; id < kRows; ++id) {
    if (DecodeRowHeader(store.rows[KeyOfId(id)])->event_us != 10 + kRows + id)
      return "a row is not the newest";
  }
  if (view.rows_written != kRows || view.rows_read != 2 * kRows)
    return "rows are counted twice, or not at all";
  return "";
}

Crash CrashEverywhere(Bug bug, std::initializer_list<PowerLoss> losses, const std::string& until = "") {
  Crash crash;
  for (const PowerLoss loss : losses) {
    bool done = false;
    for (int call = 0; !done && call < 500; ++call) {
      PowerLossFiles disk;
      TestRepository repository(&disk, 20'000);  // about a dozen rows a chunk
      if (const Status applied = repository.Apply(); !applied.ok()) {
        crash.problems.insert(applied.ToString());
        return crash;
      }
      {
        FileStore store(&disk, bug);
        disk.PowerOffIn(call);
        const auto report = repository.Materialize(&store, History(), 0, 1000, kSmallChunks);
        done = report.ok() && !disk.power_is_off();
      }
      disk.PowerOn(loss);
      const FileStore left(&disk, bug);
      std::string problem = Check(&repository, &disk, left);
      if (problem.empty()) problem = FinishAfterwards(&repository, &disk, bug, &crash);
      if (!problem.empty()) crash.problems.insert(problem);
      if (!until.empty() && problem == until) return crash;
      ++crash.crashes;
    }
    if (!done) crash.problems.insert("the run never ends");
  }
  return crash;
}

TEST(LoadCrash, AtEveryCallRowsMarkAndIntervalAgree) {
  const Crash crash = CrashEverywhere(
      Bug::kNone, {PowerLoss::kNothingKept, PowerLoss::kNamesAndHalfTheBytes, PowerLoss::kEverythingKept});
  for (const std::string& problem : crash.problems) ADD_FAILURE() << problem;
  EXPECT_GT(crash.crashes, 2 * 20) << "several transactions of five calls each, and the registry's";
  EXPECT_GT(crash.resumed, 4);
}

TEST(LoadCrash, TheHarnessFindsPlantedBugs) {
  const struct {
    Bug bug;
    PowerLoss loss;
    const char* problem;
  } planted[] = {
      {Bug::kRowsNotSynced, PowerLoss::kNothingKept, "an interval is claimed without its rows"},
      {Bug::kMarkFirst, PowerLoss::kEverythingKept, "a mark is ahead of its rows"},
  };
  for (const auto& [bug, loss, problem] : planted)
    EXPECT_TRUE(CrashEverywhere(bug, {loss}, problem).problems.contains(problem)) << problem;
}

}  // namespace
}  // namespace salver
