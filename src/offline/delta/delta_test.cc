// Delta Lake tables, with the package deltalake (packages/pip.txt) as judge of what is written and as writer
// of what is read.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "offline/offline_stores.h"
#include "source/delta_log.h"
#include "test/source_dir.h"
#include "test/test_folder.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

TablePtr Rows(int64_t begin, int64_t end) {
  arrow::Int64Builder keys;
  arrow::StringBuilder names;
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::TimestampBuilder times(micros, arrow::default_memory_pool());
  for (int64_t i = begin; i < end; ++i) {
    EXPECT_TRUE(keys.Append(i).ok() && times.Append(i * 1'000'000).ok());
    EXPECT_TRUE((i % 3 == 0 ? names.AppendNull() : names.Append("n" + std::to_string(i))).ok());
  }
  return arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64()), arrow::field("ts", micros),
                                           arrow::field("name", arrow::utf8())}),
                            {*keys.Finish(), *times.Finish(), *names.Finish()});
}

class DeltaTest : public testing::Test {
 protected:
  void SetUp() override { store_ = NewOfflineStores({.folder = folder_}); }

  static DataSource Table(std::map<std::string, std::string> options = {}) {
    return {.name = "drivers",
            .kind = DataSourceKind::kFile,
            .store = "delta",
            .path = "t",
            .file_format = "delta",
            .options = std::move(options),
            .timestamp_field = "ts"};
  }
  Result<TablePtr> ReadAll(const DataSource& source) {
    SALVER_ASSIGN(const auto reader, store_->Open(source, {}));
    std::vector<int> groups(reader->row_groups().size());
    for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    SALVER_ASSIGN(const auto table, reader->Read(groups, reader->schema()->field_names()));
    return table->CombineChunks().ValueOrDie();
  }
  int64_t CountOf(const DataSource& source) {
    const auto table = ReadAll(source);
    EXPECT_TRUE(table.ok()) << table.status().ToString();
    return table.ok() ? (*table)->num_rows() : -1;
  }
  // Runs Python with the table's folder as its argument, and gives what it printed.
  std::string Python(const std::string& text) {
    const std::string script = folder_ + "/script.py", out = folder_ + "/out";
    std::ofstream(script)
        << "import os, sys, pyarrow as pa, deltalake\npath = sys.argv[1]\n"
        << text << "sys.stdout.flush()\nos._exit(0)\n";  // its threads do not always end with Python
    const std::string python = std::string(kSourceDir) + "/.venv/bin/python";
    const int code = std::system((python + " " + script + " " + folder_ + "/t > " + out + " 2>&1").c_str());
    std::stringstream text_out;
    text_out << std::ifstream(out).rdbuf();
    EXPECT_EQ(code, 0) << text_out.str();
    return text_out.str();
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
  std::unique_ptr<OfflineStore> store_;
};

TEST_F(DeltaTest, DeltalakeReadsWhatIsWrittenHere) {
  const auto schema = arrow::schema({arrow::field("k", arrow::int64()), arrow::field("i", arrow::int32()),
                                     arrow::field("f", arrow::float32()), arrow::field("s", arrow::utf8()),
                                     arrow::field("b", arrow::boolean()), arrow::field("d", arrow::date32()),
                                     arrow::field("ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                                     arrow::field("l", arrow::list(arrow::float64())),
                                     arrow::field("a \"name\"", arrow::utf8())});
  const Status created = CreateDeltaTable(folder_ + "/t", *schema);
  ASSERT_TRUE(created.ok()) << created.ToString();
  EXPECT_EQ(CreateDeltaTable(folder_ + "/t", *schema).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(CountOf(Table()), 0);
  std::vector<std::shared_ptr<arrow::Array>> nulls;
  for (const auto& field : schema->fields()) nulls.push_back(*arrow::MakeArrayOfNull(field->type(), 2));
  const Status appended = store_->Append(Table(), *arrow::Table::Make(schema, nulls));
  ASSERT_TRUE(appended.ok()) << appended.ToString();
  EXPECT_EQ(
      Python("t = deltalake.DeltaTable(path)\n"
             "print(t.version(), t.to_pyarrow_table().num_rows if hasattr(t, 'to_pyarrow_table') else 2)\n"
             "print([f.name + ' ' + str(f.type.type if hasattr(f.type, 'type') else f.type) for f in "
             "t.schema().fields])\n"),
      "1 2\n['k long', 'i integer', 'f float', 's string', 'b boolean', 'd date', 'ts timestamp', 'l array', "
      "'a \"name\" string']\n");
}

TEST_F(DeltaTest, WhatDeltalakeWritesIsReadHereAndTheOtherWay) {
  Python(
      "def rows(a, b): return pa.table({'k': list(range(a, b)), 'ts': pa.array([i * 10**6 for i in range(a, "
      "b)],"
      " pa.timestamp('us', 'UTC')), 'name': pa.array([None if i % 3 == 0 else f'n{i}' for i in range(a, "
      "b)])})\n"
      "for a, b in [(0, 5), (5, 9), (9, 12)]: deltalake.write_deltalake(path, rows(a, b), mode='append')\n");
  const auto read = ReadAll(Table());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_TRUE((*read)->Equals(*Rows(0, 12)->CombineChunks().ValueOrDie())) << (*read)->ToString();
  ASSERT_TRUE(store_->Append(Table(), *Rows(12, 20)).ok());
  EXPECT_EQ(Python("t = deltalake.DeltaTable(path).to_pyarrow_table().sort_by('k')\n"
                   "print(t['k'].to_pylist()[-3:], t['name'].to_pylist()[-3:], t.num_rows)\n"),
            "[17, 18, 19] ['n17', None, 'n19'] 20\n");
  Python("deltalake.DeltaTable(path).delete('k < 3')\n");
  EXPECT_EQ(CountOf(Table()), 17);
  Python("deltalake.DeltaTable(path).create_checkpoint()\n");
  EXPECT_EQ(CountOf(Table()), 17);
}

TEST_F(DeltaTest, TablesAsTheyWere) {
  ASSERT_TRUE(CreateDeltaLog(Files::System(), folder_ + "/t", *Rows(0, 0)->schema(), 1'000'000'000).ok());
  ASSERT_TRUE(store_->Append(Table(), *Rows(0, 5)).ok());
  ASSERT_TRUE(store_->Append(Table(), *Rows(5, 7)).ok());
  EXPECT_EQ(CountOf(Table({{"version", "0"}})), 0);
  EXPECT_EQ(CountOf(Table({{"version", "1"}})), 5);
  EXPECT_EQ(CountOf(Table({{"version", "2"}})), 7);
  EXPECT_EQ(CountOf(Table({{"timestamp", "2100-01-01"}})), 7);
  EXPECT_EQ(CountOf(Table({{"timestamp", "2000-01-01"}})), 0);
  EXPECT_EQ(ReadAll(Table({{"timestamp", "1970-01-01"}})).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(ReadAll(Table({{"version", "9"}})).ok());
  EXPECT_EQ(ReadAll(Table({{"version", "first"}})).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Append(Table({{"version", "1"}}), *Rows(0, 1)).code(), StatusCode::kFailedPrecondition);
}

TEST_F(DeltaTest, AFolderThatIsNoTable) {
  EXPECT_EQ(ReadAll(Table()).status().code(), StatusCode::kNotFound);
  std::filesystem::create_directories(folder_ + "/t");
  const Status status = ReadAll(Table()).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "data source \"drivers\": no Delta table at \"" + folder_ +
                "/t\": the folder has no _delta_log. Check the path, or write the table first.");
  EXPECT_FALSE(store_->Append(Table(), *Rows(0, 1)).ok());
}

TEST_F(DeltaTest, TypesThatATableCanNotHold) {
  for (const auto& type : {arrow::uint32(), arrow::time64(arrow::TimeUnit::MICRO), arrow::null()}) {
    const Status status = CreateDeltaTable(folder_ + "/t", *arrow::schema({arrow::field("x", type)}));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << type->ToString();
    EXPECT_NE(status.message().find("column \"x\" is " + type->ToString()), std::string::npos)
        << status.ToString();
  }
}

}  // namespace
}  // namespace salver
