// What every offline store must do; a store adds a line to the list at the end.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <filesystem>
#include <functional>

#include "offline/offline_stores.h"
#include "source/table_file.h"
#ifdef SALVER_WITH_POSTGRES
#include "offline/test_table.h"
#include "postgres/test_postgres.h"
#include "test/test_folder.h"
#endif

namespace salver {
namespace {

// A store under test, and how rows get into it without it.
struct StoreUnderTest {
  std::string name;
  // Keeps `rows` as the source `name` and says how to read it; null: there is no such source.
  std::function<DataSource(const std::string& folder, const std::string& name, const arrow::Table* rows)>
      keep;
  std::function<void(OfflineStoreOptions*)> configure = {};
  bool appends = true;
};
void PrintTo(const StoreUnderTest& store, std::ostream* out) {
  *out << store.name;
}

using TablePtr = std::shared_ptr<arrow::Table>;

// Columns driver_id, event_timestamp and trips; row i is of driver i % 10, at second i, with trips = i.
TablePtr Rows(int64_t begin, int64_t end) {
  arrow::Int64Builder drivers, trips;
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::TimestampBuilder times(micros, arrow::default_memory_pool());
  for (int64_t i = begin; i < end; ++i) {
    EXPECT_TRUE(drivers.Append(i % 10).ok() && times.Append(i * 1'000'000).ok());
    EXPECT_TRUE((i % 7 == 3 ? trips.AppendNull() : trips.Append(i)).ok());
  }
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", micros),
                     arrow::field("trips", arrow::int64())}),
      {*drivers.Finish(), *times.Finish(), *trips.Finish()});
}

class OfflineStoreTest : public testing::TestWithParam<StoreUnderTest> {
 protected:
  void SetUp() override {
    OfflineStoreOptions options{.folder = folder_};
    if (GetParam().configure) GetParam().configure(&options);
    store_ = NewOfflineStores(options);
  }

  DataSource Keep(const std::string& name, const TablePtr& rows) {
    DataSource source = GetParam().keep(folder_, name, rows.get());
    source.name = name;
    source.timestamp_field = "event_timestamp";
    return source;
  }

  Result<TablePtr> ReadAll(const DataSource& source, const SourceNeeds& needs = {}) {
    SALVER_ASSIGN(const auto reader, store_->Open(source, needs));
    std::vector<int> groups(reader->row_groups().size());
    for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    SALVER_ASSIGN(
        const auto table,
        reader->Read(groups, needs.columns.empty() ? reader->schema()->field_names() : needs.columns));
    int64_t rows = 0;
    for (const RowGroup& group : reader->row_groups()) rows += group.rows;
    EXPECT_EQ(rows, table->num_rows());
    return table->CombineChunks().ValueOrDie();
  }

  void ExpectSame(const Result<TablePtr>& got, const TablePtr& expected) {
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_TRUE((*got)->Equals(*expected->CombineChunks().ValueOrDie()))
        << (*got)->ToString() << expected->ToString();
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
  std::unique_ptr<OfflineStore> store_;
};

TEST_P(OfflineStoreTest, ReadsWhatIsThereInItsOrder) {
  const DataSource source = Keep("trips", Rows(0, 25));
  const auto schema = store_->ReadSchema(source);
  ASSERT_TRUE(schema.ok()) << schema.status().ToString();
  EXPECT_EQ((*schema)->ToString(), Rows(0, 0)->schema()->ToString());
  ExpectSame(ReadAll(source), Rows(0, 25));
  const SourceNeeds two{.columns = {"trips", "driver_id"}};
  ExpectSame(ReadAll(source, two), Rows(0, 25)->SelectColumns({2, 0}).ValueOrDie());
}

// A store may give more rows than asked for, and never fewer.
TEST_P(OfflineStoreTest, GivesAllRowsThatAreNeeded) {
  const DataSource source = Keep("trips", Rows(0, 100));
  SourceNeeds needs{.min_event_us = 20'000'000, .max_event_us = 29'000'000};
  needs.keys = Rows(3, 5)->SelectColumns({0}).ValueOrDie();
  const auto read = ReadAll(source, needs);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  const auto trips = (*read)->GetColumnByName("trips");
  const auto times = (*read)->GetColumnByName("event_timestamp");
  int found = 0;
  for (int64_t row = 0; row < (*read)->num_rows(); ++row) {
    const auto time = times->GetScalar(row).ValueOrDie()->ToString();
    found += time.find("00:00:23") != std::string::npos || time.find("00:00:24") != std::string::npos;
  }
  EXPECT_EQ(found, 2) << (*read)->ToString();
}

TEST_P(OfflineStoreTest, SourceThatIsNotThereIsNotFound) {
  const DataSource source = Keep("nothing", nullptr);
  const Status schema = store_->ReadSchema(source).status(), open = store_->Open(source, {}).status();
  EXPECT_EQ(schema.code(), StatusCode::kNotFound) << schema.ToString();
  EXPECT_EQ(open.code(), StatusCode::kNotFound) << open.ToString();
  EXPECT_NE(open.message().find("nothing"), std::string::npos) << open.ToString();
}

TEST_P(OfflineStoreTest, MissingColumnIsNamed) {
  const Status status = ReadAll(Keep("trips", Rows(0, 5)), {.columns = {"tripz"}}).status();
  EXPECT_EQ(status.reason(), Reason::kMissingColumns) << status.ToString();
  EXPECT_NE(status.message().find("\"tripz\""), std::string::npos) << status.ToString();
}

TEST_P(OfflineStoreTest, AppendedRowsComeAfterThoseThatAreThere) {
  const DataSource source = Keep("trips", Rows(0, 25));
  if (!GetParam().appends) {
    EXPECT_EQ(store_->Append(source, *Rows(25, 30)).code(), StatusCode::kFailedPrecondition);
    return;
  }
  const auto added = Rows(25, 30)->SelectColumns({2, 1, 0}).ValueOrDie();  // in another order of columns
  const Status status = store_->Append(source, *added);
  ASSERT_TRUE(status.ok()) << status.ToString();
  ExpectSame(ReadAll(source), Rows(0, 30));
}

TEST_P(OfflineStoreTest, RowsThatDoNotFitAreNotAppended) {
  if (!GetParam().appends) return;
  const DataSource source = Keep("trips", Rows(0, 5));
  const auto fewer = Rows(5, 6)->RemoveColumn(2).ValueOrDie();
  EXPECT_EQ(store_->Append(source, *fewer).reason(), Reason::kMissingColumns);
  const auto more =
      Rows(5, 6)->AddColumn(3, arrow::field("other", arrow::int64()), Rows(5, 6)->column(0)).ValueOrDie();
  EXPECT_EQ(store_->Append(source, *more).reason(), Reason::kMissingColumns);
  arrow::StringBuilder text;
  ASSERT_TRUE(text.Append("many").ok());
  const auto bad = Rows(5, 6)
                       ->SetColumn(2, arrow::field("trips", arrow::utf8()),
                                   std::make_shared<arrow::ChunkedArray>(*text.Finish()))
                       .ValueOrDie();
  EXPECT_EQ(store_->Append(source, *bad).reason(), Reason::kBadFeatureValue);
  ExpectSame(ReadAll(source), Rows(0, 5));
}

DataSource KeepParquet(const std::string& folder, const std::string& name, const arrow::Table* rows) {
  DataSource source{.kind = DataSourceKind::kFile, .store = "file", .path = name + ".parquet"};
  if (rows == nullptr) return source;
  const auto out = arrow::io::FileOutputStream::Open(folder + "/" + source.path).ValueOrDie();
  EXPECT_TRUE(parquet::arrow::WriteTable(*rows, arrow::default_memory_pool(), out, 10).ok());
  EXPECT_TRUE(out->Close().ok());
  return source;
}

// A table at folder/path, in the format of its suffix.
DataSource KeepFile(const std::string& folder, const std::string& path, const arrow::Table* rows) {
  if (rows != nullptr) {
    std::filesystem::create_directories(std::filesystem::path(folder + "/" + path).parent_path());
    EXPECT_TRUE(WriteTableFile(*rows, folder + "/" + path).ok());
  }
  return {.kind = DataSourceKind::kFile, .store = "file", .path = path};
}
auto Suffixed(const std::string& suffix) {
  return [suffix](const std::string& folder, const std::string& name, const arrow::Table* rows) {
    return KeepFile(folder, name + suffix, rows);
  };
}
// The rows in two files of a folder.
auto Folder(const std::string& suffix) {
  return [suffix](const std::string& folder, const std::string& name, const arrow::Table* rows) {
    if (rows != nullptr) {
      KeepFile(folder, name + "/a" + suffix, rows->Slice(0, 3).get());
      KeepFile(folder, name + "/b" + suffix, rows->Slice(3).get());
    }
    return DataSource{.kind = DataSourceKind::kFile, .store = "file", .path = name};
  };
}

DataSource KeepQuery(const std::string& folder, const std::string& name, const arrow::Table* rows) {
  KeepParquet(folder, name, rows);
  return {.kind = DataSourceKind::kFile,
          .store = "duckdb",
          .query = "SELECT * FROM read_parquet('" + name + ".parquet') -- all of them"};
}

DataSource KeepDelta(const std::string& folder, const std::string& name, const arrow::Table* rows) {
  DataSource source{.kind = DataSourceKind::kFile, .store = "delta", .path = name, .file_format = "delta"};
  if (rows == nullptr) return source;
  const Status created = CreateDeltaTable(folder + "/" + name, *rows->schema());
  EXPECT_TRUE(created.ok()) << created.ToString();
  const auto store = NewOfflineStores({.folder = folder});
  const Status appended = store->Append(source, *rows);
  EXPECT_TRUE(appended.ok()) << appended.ToString();
  return source;
}

#ifdef SALVER_WITH_POSTGRES
DataSource KeepInPostgres(const std::string& folder, const std::string& name, const arrow::Table* rows) {
  DataSource source{.store = "postgres"};
  source.table = name;
  TestPostgres* server = TestPostgres::Shared();
  if (rows != nullptr) LoadTestTable(server, server->SchemaOf(folder), name, *rows);
  return source;
}

void UsePostgres(OfflineStoreOptions* options) {
  TestPostgres* server = TestPostgres::Shared();
  options->type = "postgres";
  options->postgres = server->Options(server->SchemaOf(options->folder));
}
#endif

std::vector<StoreUnderTest> Stores() {
  std::vector<StoreUnderTest> stores = {
      {"file_parquet", KeepParquet},      {"file_parquet_folder", Folder(".parquet")},
      {"file_csv", Suffixed(".csv")},     {"file_csv_folder", Folder(".csv")},
      {"file_arrow", Suffixed(".arrow")}, {"file_arrow_folder", Folder(".arrow")},
      {"duckdb", KeepQuery, {}, false},   {"delta", KeepDelta}};
#ifdef SALVER_WITH_POSTGRES
  if (TestPostgres::IsInstalled()) stores.push_back({"postgres", KeepInPostgres, UsePostgres});
#endif
  return stores;
}

INSTANTIATE_TEST_SUITE_P(Stores, OfflineStoreTest, testing::ValuesIn(Stores()),
                         [](const auto& info) { return info.param.name; });

TEST(OfflineStores, SourceOfAStoreThatIsNotHere) {
  const auto store = NewOfflineStores({.folder = "/nowhere"});
  const DataSource far{.name = "far", .kind = DataSourceKind::kTable, .store = "bigquery"};
  const Status status = store->Open(far, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("\"bigquery\", which is not in this build"), std::string::npos)
      << status.ToString();
}

// A push source is read where its history lies.
TEST(OfflineStores, PushSourceIsReadFromItsBatchSource) {
  const auto store = NewOfflineStores({.folder = "/nowhere"});
  DataSource push{.name = "push", .kind = DataSourceKind::kPush};
  EXPECT_EQ(store->Open(push, {}).status().code(), StatusCode::kUnimplemented);
  push.batch_source = std::make_shared<DataSource>(
      DataSource{.name = "batch", .kind = DataSourceKind::kFile, .store = "file", .path = "x.parquet"});
  EXPECT_EQ(store->Open(push, {}).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace salver
