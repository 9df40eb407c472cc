// Sources that are replaced, removed, cut short or written over while a retrieval reads them, at every call
// that the engine makes of their reader: between keys and features too. The answer is that of the rows before
// or that of the rows after, or an error that names the source; never some of both.
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>
#include <thread>

#include "retrieval/test_repository.h"

namespace salver {
namespace {

namespace fs = std::filesystem;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr int64_t kRows = 600, kOld = 1'000'000, kNew = 2'000'000;

// x and y of a row are both `generation` more than its number: files of both are alike but for the values.
TablePtr Rows(int64_t generation, int64_t count = kRows) {
  std::vector<std::optional<int64_t>> keys, times, values;
  std::mt19937_64 random(7);
  for (int64_t row = 0; row < count; ++row) {
    keys.push_back(row % 20);
    times.push_back(static_cast<int64_t>(random() % 1000));  // in no order: winners are found at the end
    values.push_back(row + generation);
  }
  return arrow::Table::Make(
      arrow::schema({arrow::field("key", arrow::int64()), arrow::field("event_timestamp", UtcMicros()),
                     arrow::field("x", arrow::int64()), arrow::field("y", arrow::utf8())}),
      {ColumnOf(keys, arrow::int64()), ColumnOf(times, UtcMicros()), ColumnOf(values, arrow::int64()),
       ColumnOf(values, arrow::utf8())});
}

HistoricalRequest Request() {
  std::vector<std::optional<int64_t>> keys, times;
  for (int64_t row = 0; row < 100; ++row) {
    keys.push_back(row % 25);
    times.push_back(row * 10);
  }
  return {.entities = arrow::Table::Make(arrow::schema({arrow::field("key", arrow::int64()),
                                                        arrow::field("event_timestamp", UtcMicros())}),
                                         {ColumnOf(keys, arrow::int64()), ColumnOf(times, UtcMicros())}),
          .features = {"stats:x", "stats:y"}};
}

TestView Stats() {
  return {.name = "stats",
          .path = "stats.parquet",
          .join_keys = {{.name = "key", .type = ValueType::kInt64}},
          .features = {{.name = "x", .type = ValueType::kInt64}, {.name = "y", .type = ValueType::kString}}};
}

// Does something at one call, in the order in which calls are made.
class AtCall {
 public:
  AtCall(int64_t call, std::function<void()> what) : call_(call), what_(std::move(what)) {}
  void Step() {
    if (calls_++ == call_) what_();
  }
  bool happened() const { return calls_ > call_; }

 private:
  const int64_t call_;
  const std::function<void()> what_;
  std::atomic<int64_t> calls_{0};
};

class SteppingReader final : public SourceReader {
 public:
  SteppingReader(std::unique_ptr<SourceReader> reader, AtCall* at) : reader_(std::move(reader)), at_(at) {}
  const std::shared_ptr<arrow::Schema>& schema() const override { return reader_->schema(); }
  const std::vector<RowGroup>& row_groups() const override { return reader_->row_groups(); }
  int file_count() const override { return reader_->file_count(); }
  Result<TablePtr> Read(std::span<const int> groups, const std::vector<std::string>& columns) override {
    at_->Step();
    return reader_->Read(groups, columns);
  }
  Result<int64_t> ColumnBytes(int group, const std::string& column) const override {
    return reader_->ColumnBytes(group, column);
  }
  bool IsFixedWidth(const std::string& column) const override { return reader_->IsFixedWidth(column); }
  Result<bool> ReadFixed(int group, const std::string& column, ReadScratch* scratch, void* values,
                         uint8_t* valid) override {
    at_->Step();
    return reader_->ReadFixed(group, column, scratch, values, valid);
  }
  Status GatherFixed(int group, const std::string& column, const PickedRows& picked, ReadScratch* scratch,
                     void* values, std::vector<uint32_t>* nulls) override {
    at_->Step();
    return reader_->GatherFixed(group, column, picked, scratch, values, nulls);
  }

 private:
  const std::unique_ptr<SourceReader> reader_;
  AtCall* const at_;
};

class SteppingStore final : public OfflineStore {
 public:
  // `opened` is called each time that a source has been opened.
  SteppingStore(std::shared_ptr<OfflineStore> store, AtCall* at, std::function<void()> opened)
      : store_(std::move(store)), at_(at), opened_(std::move(opened)) {}
  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    return store_->ReadSchema(source);
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    at_->Step();
    auto opened = store_->Open(source, needs);
    opened_();
    SALVER_ASSIGN(auto reader, std::move(opened));
    return std::unique_ptr<SourceReader>(new SteppingReader(std::move(reader), at_));
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return store_->Append(source, rows);
  }
  Result<TablePtr> Query(const std::string& sql) override { return store_->Query(sql); }

 private:
  const std::shared_ptr<OfflineStore> store_;
  AtCall* const at_;
  const std::function<void()> opened_;
};

struct Change {
  std::string name;
  // What becomes of each file of the source; `after` is the file as it is in the other generation.
  std::function<void(const fs::path& file, const fs::path& after)> make;
};

std::vector<Change> Changes() {
  return {{"Removed", [](const fs::path& file, const fs::path&) { fs::remove(file); }},
          {"Replaced", [](const fs::path& file, const fs::path& after) { fs::rename(after, file); }},
          {"CutToHalf",
           [](const fs::path& file, const fs::path&) { fs::resize_file(file, fs::file_size(file) / 2); }},
          {"CutToNothing", [](const fs::path& file, const fs::path&) { fs::resize_file(file, 0); }},
          // As a copy over the file does, and many programs that "save".
          {"WrittenOver", [](const fs::path& file, const fs::path& after) {
             std::stringstream bytes;
             bytes << std::ifstream(after, std::ios::binary).rdbuf();
             std::fstream(file, std::ios::binary | std::ios::in | std::ios::out) << bytes.str();
             fs::resize_file(file, bytes.str().size());
           }}};
}

// One line that names the source, and no fault of ours.
bool IsClear(const Status& status) {
  return status.code() != StatusCode::kInternal && status.code() != StatusCode::kUnknown &&
         status.message().starts_with("data source \"stats_source\"") &&
         status.message().find('\n') == std::string::npos;
}

class ChangingSource : public testing::TestWithParam<std::tuple<TestSourceKind, Change>> {
 protected:
  // The source's files, as the two generations have them.
  static std::vector<fs::path> FilesOf(const TestRepository& repository) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(repository.folder())) {
      const bool data = entry.path().string().find("/_delta_log/") == std::string::npos;
      if (entry.is_regular_file() && data)
        files.push_back(entry.path().lexically_relative(repository.folder()));
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static void Fill(TestRepository* repository, int64_t generation) {
    repository->AddWithRows(Stats(), *Rows(generation), 100);
  }
  // Sources that are read whole when they are opened: later calls of their readers are all alike.
  static bool IsReadAtOnce(const TestSourceKind& kind) { return !kind.name.starts_with("parquet"); }
};

TEST_P(ChangingSource, GivesTheRowsBeforeOrThoseAfterOrAnError) {
  const auto& [kind, change] = GetParam();
  TestRepository before(kind), after(kind);
  Fill(&before, kOld);
  Fill(&after, kNew);
  const auto old_rows = before.Retrieve(Request()), new_rows = after.Retrieve(Request());
  ASSERT_TRUE(old_rows.ok()) << old_rows.status().ToString();
  ASSERT_TRUE(new_rows.ok() && !(*new_rows)->Equals(**old_rows));
  for (const int threads : IsReadAtOnce(kind) ? std::vector<int>{2} : std::vector<int>{1, 2}) {
    bool happened = true;
    for (int64_t call = 0; happened; call += IsReadAtOnce(kind) && call > 0 ? 100 : 1) {
      SCOPED_TRACE("call " + std::to_string(call) + ", threads " + std::to_string(threads));
      TestRepository repository(kind), other(kind);
      Fill(&repository, kOld);
      Fill(&other, kNew);
      const auto files = FilesOf(repository), others = FilesOf(other);
      ASSERT_EQ(files.size(), others.size());
      AtCall at(call, [&] {
        for (size_t i = 0; i < files.size(); ++i)
          change.make(repository.folder() / files[i], other.folder() / others[i]);
      });
      repository.ReadThrough([&](std::shared_ptr<OfflineStore> store) {
        return std::make_shared<SteppingStore>(std::move(store), &at, [] {});
      });
      const auto answer = repository.Retrieve(Request(), threads);
      happened = at.happened();
      if (!answer.ok()) {
        EXPECT_TRUE(happened) << answer.status().ToString();
        EXPECT_TRUE(IsClear(answer.status())) << answer.status().ToString();
        continue;
      }
      EXPECT_TRUE((*answer)->Equals(**old_rows) || (*answer)->Equals(**new_rows))
          << "rows of both generations";
    }
  }
}

std::vector<TestSourceKind> KindsNamed(const std::vector<std::string>& names) {
  std::vector<TestSourceKind> kinds;
  for (const TestSourceKind& kind : TestSourceKinds()) {
    if (std::find(names.begin(), names.end(), kind.name) != names.end()) kinds.push_back(kind);
  }
  return kinds;
}

std::string KindAndChange(const testing::TestParamInfo<std::tuple<TestSourceKind, Change>>& info) {
  return std::get<0>(info.param).name + "_" + std::get<1>(info.param).name;
}
// PostgreSQL's server has faults of its own (offline/postgres); a Delta table opens DuckDB anew for every
// run.
INSTANTIATE_TEST_SUITE_P(Kinds, ChangingSource,
                         testing::Combine(testing::ValuesIn(KindsNamed({"parquet", "parquet_folder",
                                                                        "parquet_partitioned", "parquet_glob",
                                                                        "csv", "json", "arrow",
                                                                        "arrow_stream", "duckdb"})),
                                          testing::ValuesIn(Changes())),
                         KindAndChange);
INSTANTIATE_TEST_SUITE_P(Delta, ChangingSource,
                         testing::Combine(testing::ValuesIn(KindsNamed({"delta"})),
                                          testing::Values(Changes()[0], Changes()[2])),
                         KindAndChange);

// Files that are read from end to end while they are opened, and written over at any moment of that.
class FileReadWhole : public testing::TestWithParam<TestSourceKind> {};

TEST_P(FileReadWhole, IsNeverHalfOfOneContentAndHalfOfAnother) {
  constexpr int64_t kMany = 40'000;
  using Clock = std::chrono::steady_clock;
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  TestRepository repository(GetParam()), other(GetParam());
  repository.AddWithRows(Stats(), *Rows(kOld, kMany), kMany);
  other.AddWithRows(Stats(), *Rows(kNew, kMany), kMany);
  std::string path;  // of the source's one file
  for (const auto& entry : fs::directory_iterator(repository.folder())) path = entry.path().filename();
  const fs::path file = repository.folder() + "/" + path, kept = repository.folder() + "/" + path + ".kept";
  fs::copy_file(file, kept);
  const auto old_rows = repository.Retrieve(Request()), new_rows = other.Retrieve(Request());
  ASSERT_TRUE(old_rows.ok() && new_rows.ok() && !(*old_rows)->Equals(**new_rows));
  const auto began = Clock::now();
  ASSERT_TRUE(repository.Retrieve(Request()).ok());
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count();
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  int seen = 0;
  for (int run = 0; run < 20 || seen == 0; ++run) {
    ASSERT_LT(Clock::now(), deadline) << "no read was interrupted, the test shows nothing";
    fs::rename(kept, file);
    fs::copy_file(file, kept);
    const auto at = Clock::now() + std::chrono::microseconds(random() % static_cast<uint64_t>(micros + 1));
    std::atomic<bool> written = false, written_when_read = false;
    AtCall never(-1, {});
    repository.ReadThrough([&](std::shared_ptr<OfflineStore> store) {
      return std::make_shared<SteppingStore>(std::move(store), &never,
                                             [&] { written_when_read = written.load(); });
    });
    std::thread writer([&] {
      while (Clock::now() < at) {
      }
      Changes().back().make(file, other.folder() + "/" + path);
      written = true;
    });
    const auto answer = repository.Retrieve(Request());
    writer.join();
    // A writer that rests halfway for longer than a read takes shows nobody that it goes on.
    if (answer.ok() && written_when_read) {
      EXPECT_TRUE((*answer)->Equals(**old_rows) || (*answer)->Equals(**new_rows))
          << "rows of both generations";
    }
    if (answer.ok()) continue;
    EXPECT_TRUE(IsClear(answer.status())) << answer.status().ToString();
    seen += answer.status().code() == StatusCode::kAborted;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, FileReadWhole, testing::ValuesIn(KindsNamed({"csv", "json", "arrow"})),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace salver
