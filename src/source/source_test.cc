#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <filesystem>
#include <fstream>

#include "source/file_source.h"
#include "test/test_folder.h"

namespace salver {
namespace {

class SourceTest : public testing::Test {
 protected:
  // A file with column "time" of this type and these raw values, two rows a row group, and "n" that numbers
  // them.
  void Write(const std::string& path, const std::vector<int64_t>& times,
             const std::shared_ptr<arrow::DataType>& type) {
    arrow::TimestampBuilder time(type, arrow::default_memory_pool());
    arrow::Int64Builder n;
    ASSERT_TRUE(time.AppendValues(times).ok());
    for (size_t i = 0; i < times.size(); ++i) ASSERT_TRUE(n.Append(static_cast<int64_t>(i)).ok());
    const auto table =
        arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64()), arrow::field("time", type)}),
                           {n.Finish().ValueOrDie(), time.Finish().ValueOrDie()});
    std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + path).parent_path());
    const auto out = arrow::io::FileOutputStream::Open(folder_ + "/" + path).ValueOrDie();
    ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 2).ok());
    ASSERT_TRUE(out->Close().ok());
  }

  Result<std::unique_ptr<SourceReader>> Open(const std::string& path) const {
    return OpenFileSource({.name = "s",
                           .kind = DataSourceKind::kFile,
                           .path = path,
                           .file_format = "parquet",
                           .timestamp_field = "time"},
                          folder_, {});
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
};

// Statistics finer than a microsecond are rounded outwards, whatever their sign: a row group is never skipped
// wrongly.
TEST_F(SourceTest, TimeRangesHoldEveryRowOfTheirRowGroup) {
  Write("ns.parquet", {1500, 2500, -2500, -1500, 3000, 4000}, arrow::timestamp(arrow::TimeUnit::NANO, "UTC"));
  Write("us.parquet", {7, 9}, arrow::timestamp(arrow::TimeUnit::MICRO));
  Write("ms.parquet", {7, 9}, arrow::timestamp(arrow::TimeUnit::MILLI));
  const auto range = [&](const std::string& path, size_t group) {
    const RowGroup row_group = (*Open(path))->row_groups().at(group);
    return std::pair(row_group.min_event_us.value(), row_group.max_event_us.value());
  };
  EXPECT_EQ(range("ns.parquet", 0), std::pair(int64_t{0}, int64_t{3}));
  EXPECT_EQ(range("ns.parquet", 1), std::pair(int64_t{-3}, int64_t{0}));
  EXPECT_EQ(range("ns.parquet", 2), std::pair(int64_t{3}, int64_t{4}));
  EXPECT_EQ(range("us.parquet", 0), std::pair(int64_t{7}, int64_t{9}));
  EXPECT_EQ(range("ms.parquet", 0), std::pair(int64_t{7000}, int64_t{9000}));
}

TEST_F(SourceTest, FolderIsReadInOrderOfNamesAndHiddenFilesAreNot) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  Write("data/b.parquet", {20, 21, 22}, type);
  Write("data/a.parquet", {10}, type);
  Write("data/nested/c.parquet", {30}, type);
  Write("data/.hidden.parquet", {99}, type);
  Write("data/_temporary.parquet", {98}, type);
  std::ofstream(folder_ + "/data/_SUCCESS") << "done";
  const auto reader = Open("data");
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->file_count(), 3);
  std::vector<int64_t> starts;
  for (const RowGroup& group : (*reader)->row_groups()) starts.push_back(*group.min_event_us);
  EXPECT_EQ(starts, (std::vector<int64_t>{10, 20, 22, 30}));
  EXPECT_EQ((*Open("data/[ab].parquet"))->file_count(), 2);
  EXPECT_EQ((*Open("file://" + folder_ + "/data/a.parquet"))->file_count(), 1);
}

TEST_F(SourceTest, ReadsTheAskedRowGroupsAndColumnsInTheAskedOrder) {
  Write("x/a.parquet", {10, 11, 12}, arrow::timestamp(arrow::TimeUnit::MICRO));
  Write("x/b.parquet", {20, 21, 22}, arrow::timestamp(arrow::TimeUnit::MICRO));
  const auto reader = Open("x");
  const std::vector<int> groups = {1, 2};
  const auto table = (*reader)->Read(groups, {"time", "n"});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ((*table)->ColumnNames(), (std::vector<std::string>{"time", "n"}));
  EXPECT_EQ((*table)->num_rows(), 3);
  const auto none = (*reader)->Read({}, {"n"});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ((*none)->num_rows(), 0);
  EXPECT_EQ((*reader)->Read(groups, {"m"}).status().reason(), Reason::kMissingColumns);
}

}  // namespace
}  // namespace salver
