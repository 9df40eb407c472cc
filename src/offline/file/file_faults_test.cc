// Files that are damaged, do not fit each other, or can not be written: a clear error, and nothing left
// behind.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "offline/file/append_files.h"
#include "offline/offline_stores.h"
#include "source/table_file.h"
#include "test/test_folder.h"

namespace salver {
namespace {

std::shared_ptr<arrow::Table> Rows(int64_t count) {
  arrow::Int64Builder numbers;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  for (int64_t i = 0; i < count; ++i) EXPECT_TRUE(numbers.Append(i).ok() && times.Append(i).ok());
  const auto time = *times.Finish();
  return arrow::Table::Make(
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("event_timestamp", time->type())}),
      {*numbers.Finish(), time});
}

// The disk is full after so many bytes.
class FullDisk final : public Files {
 public:
  explicit FullDisk(int64_t bytes) : left_(bytes) {}
  Result<std::string> Read(const std::string& path) override { return disk_->Read(path); }
  Result<FileIdentity> Identify(const std::string& path) override { return disk_->Identify(path); }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    SALVER_ASSIGN(auto file, disk_->Create(path));
    return std::unique_ptr<WritableFile>(new File(std::move(file), &left_));
  }
  Status Rename(const std::string& from, const std::string& to) override { return disk_->Rename(from, to); }
  Status Remove(const std::string& path) override { return disk_->Remove(path); }
  Status CreateFolders(const std::string& path) override { return disk_->CreateFolders(path); }
  Status SyncFolder(const std::string& path) override { return disk_->SyncFolder(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) override {
    return disk_->Lock(path, deadline);
  }

 private:
  class File final : public WritableFile {
   public:
    File(std::unique_ptr<WritableFile> file, int64_t* left) : file_(std::move(file)), left_(left) {}
    Status Append(std::string_view bytes) override {
      *left_ -= static_cast<int64_t>(bytes.size());
      if (*left_ < 0) return Status::ResourceExhausted("can not write: No space left on device.");
      return file_->Append(bytes);
    }
    Status Sync() override { return file_->Sync(); }
    Status Close() override { return file_->Close(); }

   private:
    const std::unique_ptr<WritableFile> file_;
    int64_t* const left_;
  };

  Files* const disk_ = Files::System();
  int64_t left_;
};

class FileFaults : public testing::Test {
 protected:
  void SetUp() override { store_ = NewFileOfflineStore(folder_); }

  void Text(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + path).parent_path());
    std::ofstream(folder_ + "/" + path, std::ios::binary) << text;
  }
  static DataSource Source(const std::string& path) {
    DataSource source{.name = "s", .kind = DataSourceKind::kFile, .store = "file", .path = path};
    source.timestamp_field = "event_timestamp";
    source.column_types["n"] = ValueType::kInt64;
    return source;
  }
  std::string Error(const std::string& path) const {
    return store_->Open(Source(path), {}).status().ToString();
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file() && entry.path().extension() != ".lock")
        names.push_back(entry.path().string().substr(folder_.size() + 1));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
  std::unique_ptr<OfflineStore> store_;
};

#define EXPECT_SAYS(text, what) EXPECT_NE((text).find(what), std::string::npos) << (text)

TEST_F(FileFaults, EachFormatSaysWhatIsWrongWithItsFile) {
  Text("row.csv", "n,event_timestamp\n1,2026-01-01\nmany,2026-01-02\n");
  EXPECT_SAYS(Error("row.csv"), "row.csv\" can not be read as CSV");
  EXPECT_SAYS(Error("row.csv"), "Row #3");
  Text("time.csv", "n,event_timestamp\n1,yesterday\n");
  EXPECT_SAYS(Error("time.csv"), "column \"event_timestamp\", row 0");
  Text("empty.csv", "");
  EXPECT_SAYS(Error("empty.csv"), "can not be read as CSV");
  Text("short.csv", "n,event_timestamp\n1\n");
  EXPECT_SAYS(Error("short.csv"), "can not be read as CSV");
  Text("cut.json", "{\"n\": 1, \"event_timestamp\": \"2026-01-01\"}\n{\"n\": ");
  EXPECT_SAYS(Error("cut.json"), "cut.json\" can not be read as JSON");
  Text("type.json", "{\"n\": \"many\", \"event_timestamp\": \"2026-01-01\"}\n");
  EXPECT_SAYS(Error("type.json"), "can not be read as JSON");
  Text("none.arrow", "ARROW1 and nothing else");
  EXPECT_SAYS(Error("none.arrow"), "none.arrow\" can not be read as Arrow IPC");
  Text("empty.arrow", "");
  EXPECT_SAYS(Error("empty.arrow"), "can not be read as Arrow IPC");
  ASSERT_TRUE(WriteTableFile(*Rows(100), folder_ + "/half.arrow").ok());
  std::filesystem::resize_file(folder_ + "/half.arrow", 600);
  EXPECT_SAYS(Error("half.arrow"), "can not be read as Arrow IPC");
  Text("wrong.parquet", "n,event_timestamp\n1,2026-01-01\n");
  EXPECT_SAYS(Error("wrong.parquet"), "can not be read as Parquet");
}

TEST_F(FileFaults, FilesOfASourceMustFitEachOther) {
  Text("other/a.csv", "n,event_timestamp\n1,2026-01-01\n");
  Text("other/b.csv", "m,event_timestamp\n1,2026-01-01\n");
  EXPECT_SAYS(Error("other"), "other/b.csv\" has other columns than");
  Text("mixed/a.csv", "n,event_timestamp\n1,2026-01-01\n");
  Text("mixed/b.json", "{\"n\": 1}\n");
  EXPECT_SAYS(Error("mixed"), "holds files of several formats (csv, json)");
  Text("keys/day=1/a.csv", "n,event_timestamp\n1,2026-01-01\n");
  Text("keys/b.csv", "n,event_timestamp\n1,2026-01-01\n");
  EXPECT_SAYS(Error("keys"), "lies in other key=value folders than");
  std::filesystem::create_directories(folder_ + "/nothing");
  EXPECT_SAYS(Error("nothing"), "no data file at");
}

// A name that no object has is no column: a misspelt feature is not read as nulls.
TEST_F(FileFaults, JsonHasTheColumnsThatAreWritten) {
  Text("rows.json", "{\"m\": 1, \"event_timestamp\": \"2026-01-01\"}\n{\"event_timestamp\": null}\n");
  const auto reader = store_->Open(Source("rows.json"), {});
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  const std::vector<int> groups = {0};
  EXPECT_EQ((*reader)->Read(groups, {"n"}).status().reason(), Reason::kMissingColumns);
  EXPECT_TRUE((*reader)->Read(groups, {"m"}).ok());
}

TEST_F(FileFaults, FullDiskLeavesTheSourceAsItWas) {
  ASSERT_TRUE(WriteTableFile(*Rows(50), folder_ + "/one.parquet").ok());
  std::filesystem::create_directories(folder_ + "/many/day=1");
  ASSERT_TRUE(WriteTableFile(*Rows(50), folder_ + "/many/day=1/a.parquet").ok());
  const auto names = Names();
  const auto days =
      Rows(20)->AddColumn(2, arrow::field("day", arrow::int64()), Rows(20)->column(0)).ValueOrDie();
  for (const int64_t bytes : {0, 100, 700, 1500, 3000}) {
    FullDisk disk(bytes);
    const Status one = AppendToFiles(Source("one.parquet"), folder_, *Rows(5000), &disk);
    EXPECT_EQ(one.code(), StatusCode::kResourceExhausted) << bytes << ": " << one.ToString();
    FullDisk disk_again(bytes);
    const Status many = AppendToFiles(Source("many"), folder_, *days, &disk_again);
    EXPECT_EQ(many.code(), StatusCode::kResourceExhausted) << bytes << ": " << many.ToString();
    EXPECT_EQ(Names(), names) << bytes;
  }
  EXPECT_EQ((*store_->Open(Source("one.parquet"), {}))->row_groups()[0].rows, 50);
}

// Rows go to the folder that their values name, new ones too.
TEST_F(FileFaults, AppendedRowsGoToTheirPartition) {
  std::filesystem::create_directories(folder_ + "/many/day=1");
  ASSERT_TRUE(WriteTableFile(*Rows(2), folder_ + "/many/day=1/part.parquet").ok());
  const auto days =
      Rows(3)->AddColumn(2, arrow::field("day", arrow::int64()), Rows(3)->column(0)).ValueOrDie();
  const Status status = store_->Append(Source("many"), *days);
  ASSERT_TRUE(status.ok()) << status.ToString();
  const auto reader = store_->Open(Source("many"), {});
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->file_count(), 4);
  int64_t rows = 0;
  for (const RowGroup& group : (*reader)->row_groups()) rows += group.rows;
  EXPECT_EQ(rows, 5);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/many/day=2"));
}

}  // namespace
}  // namespace salver
