#include "sql/sql_database.h"

#include <arrow/scalar.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "sql/sql_test.h"

namespace salver {
namespace {

// Runs for minutes when nothing stops it; its rows can not be computed without making them.
constexpr char kEndless[] =
    "SELECT count(*) AS n FROM range(100000000) a(x), range(1000) b(y) WHERE hash(x * 1000 + y) % 7 = 1";

TEST(SqlDatabase, OneTableIsReadTwiceByOneQuery) {
  const auto database = OpenTestDatabase();
  const auto rows = Counting(10'000);
  const auto table =
      database->Query({.sql = "SELECT count(*) AS pairs, sum(a.n) AS total FROM t a JOIN t b ON a.n = b.n",
                       .asked_by = "test",
                       .inputs = {{.name = "t", .table = rows}}});
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(Int64At(**table, 0, 0), 10'000);
  EXPECT_EQ(Int64At(**table, 1, 0), 49'995'000);
}

TEST(SqlDatabase, RowsKeepTheirOrderWhateverTheThreads) {
  const auto rows = Counting(400'000);
  for (const int threads : {1, 4}) {
    const auto database = OpenTestDatabase({.threads = threads});
    const auto table = database->Query({.sql = "SELECT n FROM t WHERE n % 3 = 0",
                                        .asked_by = "test",
                                        .inputs = {{.name = "t", .table = rows}}});
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    ASSERT_EQ((*table)->num_rows(), 133'334);
    int64_t expected = 0;
    for (const auto& chunk : (*table)->column(0)->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i, expected += 3) {
        ASSERT_EQ(static_cast<const arrow::Int64Array&>(*chunk).Value(i), expected) << threads << " threads";
      }
    }
  }
}

TEST(SqlDatabase, InputsAreRowsOrOtherSql) {
  const auto database = OpenTestDatabase();
  const auto table =
      database->Query({.sql = "SELECT n, twice FROM doubled ORDER BY n DESC -- a comment at the end",
                       .asked_by = "test",
                       .inputs = {{.name = "t", .table = Counting(3)},
                                  {.name = "doubled", .sql = "SELECT n, 2 * n AS twice FROM t"}}});
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(Int64At(**table, 1, 0), 4);
}

TEST(SqlDatabase, NamesOfOneQueryAreNotSeenByAnother) {
  const auto database = OpenTestDatabase();
  SqlQuery query{
      .sql = "SELECT n FROM t", .asked_by = "test", .inputs = {{.name = "t", .table = Counting(1)}}};
  ASSERT_TRUE(database->Query(query).ok());
  query.inputs.clear();
  EXPECT_EQ(database->Query(query).status().code(), StatusCode::kNotFound);
}

TEST(SqlDatabase, RelativeFilesStartAtTheFolder) {
  const TestFolder folder;
  std::ofstream(folder.path() + "/x.csv") << "a,b\n1,2\n3,4\n";
  const auto database = OpenTestDatabase({.folder = folder.path()});
  const auto table =
      database->Query({.sql = "SELECT sum(b) AS b FROM read_csv('x.csv')", .asked_by = "test"});
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(Int64At(**table, 0, 0), 6);
}

TEST(SqlDatabase, AFileThatIsNotThereAnyMoreIsNotFound) {
  const TestFolder folder;
  std::ofstream(folder.path() + "/x.csv") << "a\n1\n";
  const auto database = OpenTestDatabase({.folder = folder.path()});
  const SqlQuery query{.sql = "SELECT a FROM read_csv('x.csv')", .asked_by = "source \"x\""};
  ASSERT_TRUE(database->Query(query).ok());
  std::filesystem::remove(folder.path() + "/x.csv");
  const Status status = database->Query(query).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound) << status.ToString();
  EXPECT_EQ(status.reason(), Reason::kBadSource);
  EXPECT_TRUE(status.message().starts_with("source \"x\", in its SQL: ")) << status.ToString();
}

TEST(SqlDatabase, ErrorsSayWhoAskedAndWhichLine) {
  const auto database = OpenTestDatabase();
  const Status status = database
                            ->Query({.sql = "SELECT * FROM (\nSELECT n,\n  m FROM t\n)",
                                     .asked_by = "source \"trips\"",
                                     .inputs = {{.name = "t", .table = Counting(1)}},
                                     .lines_before = 1})
                            .status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.reason(), Reason::kBadSource);
  EXPECT_TRUE(status.message().starts_with("source \"trips\", in its SQL: Binder Error: "))
      << status.ToString();
  EXPECT_NE(status.message().find("(line 2: "), std::string::npos) << status.ToString();
}

TEST(SqlDatabase, AnErrorAmongTheRowsIsNotTheirEnd) {
  const auto database = OpenTestDatabase({.threads = 1});
  const auto result =
      database->Query({.sql = "SELECT CAST(CASE WHEN n = 150000 THEN 'x' ELSE '1' END AS INT) AS v FROM t",
                       .asked_by = "test",
                       .inputs = {{.name = "t", .table = Counting(200'000)}}});
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument) << result.status().ToString();
  EXPECT_NE(result.status().message().find("Could not convert string 'x'"), std::string::npos)
      << result.status().ToString();
}

TEST(SqlDatabase, OnlyOneSelectIsRun) {
  const TestFolder folder;
  const auto database = OpenTestDatabase({.folder = folder.path()});
  for (const std::string sql : {"COPY (SELECT 1) TO 'x.csv'", "SELECT 1; SELECT 2", "CREATE TABLE t (a INT)",
                                "", "SET threads = 1", "ATTACH 'x.db'", "LOAD 'x'"}) {
    EXPECT_EQ(database->Query({.sql = sql, .asked_by = "test"}).status().code(), StatusCode::kInvalidArgument)
        << sql;
    EXPECT_FALSE(database->Describe({.sql = sql, .asked_by = "test"}).ok()) << sql;
    EXPECT_FALSE(
        database->Query({.sql = "SELECT * FROM t", .asked_by = "test", .inputs = {{.name = "t", .sql = sql}}})
            .ok())
        << sql;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SqlDatabase, ADeadlineEndsTheQuery) {
  const auto database = OpenTestDatabase({.threads = 2});
  for (const int64_t ms : {-1, 50}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto result = database->Query({.sql = kEndless,
                                         .asked_by = "source \"slow\"",
                                         .deadline = Deadline::After(std::chrono::milliseconds(ms))});
    EXPECT_EQ(result.status().code(), StatusCode::kDeadlineExceeded) << result.status().ToString();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
  EXPECT_TRUE(database->Query({.sql = "SELECT 1 AS x", .asked_by = "test"}).ok())
      << "the database is as before";
}

TEST(SqlDatabase, AFlagEndsTheQuery) {
  const auto database = OpenTestDatabase({.threads = 2});
  std::atomic<bool> cancelled = false;
  // Raised by a query of the same database, so that no test waits for a clock.
  std::thread other([&] {
    (void)database->Query({.sql = "SELECT sum(hash(x)) AS s FROM range(1000000) a(x)", .asked_by = "other"});
    cancelled = true;
  });
  const auto result =
      database->Query({.sql = kEndless, .asked_by = "source \"slow\"", .cancelled = &cancelled});
  other.join();
  EXPECT_EQ(result.status().code(), StatusCode::kCancelled) << result.status().ToString();
}

TEST(SqlDatabase, AStreamThatIsDroppedStopsItsQuery) {
  const auto database = OpenTestDatabase();
  const auto stream =
      database->Stream({.sql = "SELECT x FROM range(1000000000000) a(x)", .asked_by = "test"});
  ASSERT_TRUE(stream.ok()) << stream.status().ToString();
  const auto batch = (*stream)->Next();
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  EXPECT_GT((*batch)->num_rows(), 100'000);
}

std::set<std::string> FilesUnder(const std::string& folder) {
  std::set<std::string> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    files.insert(entry.path().string());
  return files;
}

constexpr char kLarge[] =
    "SELECT x, md5(x::VARCHAR) AS text FROM range(1500000) a(x) ORDER BY hash(x)";  // 80 MB to sort

TEST(SqlDatabase, PastTheMemoryLimitRowsGoToTheTemporaryFolderAndNoFileStays) {
  const TestFolder folder;
  const std::string temporary = folder.path() + "/temporary";
  {
    const auto database = OpenTestDatabase({.folder = folder.path(),
                                            .temporary_folder = temporary,
                                            .memory_limit_bytes = 48 << 20,
                                            .threads = 1});
    const auto stream = database->Stream({.sql = kLarge, .asked_by = "test"});
    ASSERT_TRUE(stream.ok()) << stream.status().ToString();
    EXPECT_FALSE(FilesUnder(temporary).empty()) << "the limit was not reached, the test shows nothing";
    int64_t rows = 0;
    while (true) {
      const auto batch = (*stream)->Next();
      ASSERT_TRUE(batch.ok()) << batch.status().ToString();
      if (*batch == nullptr) break;
      rows += (*batch)->num_rows();
    }
    EXPECT_EQ(rows, 1'500'000);
  }
  EXPECT_EQ(FilesUnder(folder.path()), std::set<std::string>());
}

TEST(SqlDatabase, WithoutATemporaryFolderTheMemoryLimitIsAnError) {
  const auto database = OpenTestDatabase({.memory_limit_bytes = 32 << 20, .threads = 1});
  const auto result = database->Query({.sql = kLarge, .asked_by = "source \"large\""});
  EXPECT_EQ(result.status().code(), StatusCode::kResourceExhausted) << result.status().ToString();
  EXPECT_NE(result.status().message().find("33554432 bytes of memory and no disk. Raise memory_limit"),
            std::string::npos)
      << result.status().ToString();
}

TEST(SqlDatabase, AQueryThatIsEndedLeavesNoTemporaryFile) {
  const TestFolder folder;
  const std::string temporary = folder.path() + "/temporary";
  {
    const auto database =
        OpenTestDatabase({.temporary_folder = temporary, .memory_limit_bytes = 48 << 20, .threads = 1});
    std::atomic<bool> cancelled = false;
    const auto stream = database->Stream({.sql = kLarge, .asked_by = "test", .cancelled = &cancelled});
    ASSERT_TRUE(stream.ok()) << stream.status().ToString();
    ASSERT_FALSE(FilesUnder(temporary).empty());
    cancelled = true;
    Status status;
    while (status.ok()) {
      const auto batch = (*stream)->Next();
      if (batch.ok() && *batch == nullptr) break;
      status = batch.status();
    }
  }
  EXPECT_EQ(FilesUnder(folder.path()), std::set<std::string>());
}

TEST(SqlDatabase, DescribeBindsWithoutRunning) {
  const auto database = OpenTestDatabase();
  const auto schema = database->Describe({.sql = kEndless, .asked_by = "test"});
  ASSERT_TRUE(schema.ok()) << schema.status().ToString();
  EXPECT_EQ((*schema)->ToString(), "n: int64");
}

TEST(SqlDatabase, ExplainShowsDuckDBsPlan) {
  const auto database = OpenTestDatabase();
  const auto plan = database->Explain({.sql = "SELECT n FROM t WHERE n > 3",
                                       .asked_by = "test",
                                       .inputs = {{.name = "t", .table = Counting(10)}}});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_NE(plan->find("SALVER_ROWS"), std::string::npos) << *plan;
}

TEST(SqlDatabase, AnExtensionThatIsNotShippedIsSaid) {
  const auto database = OpenTestDatabase();
  const Status status = database->LoadExtension("spatial");
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("\"spatial\""), std::string::npos);
  EXPECT_TRUE(database->LoadExtension("delta").ok());
  EXPECT_TRUE(database->LoadExtension("delta").ok());
}

TEST(SqlDatabase, ManyQueriesAtOnce) {
  const auto database = OpenTestDatabase();
  const auto rows = Counting(5'000);
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        const auto table =
            database->Query({.sql = "SELECT count(*) AS c FROM t WHERE n < " + std::to_string(100 * i),
                             .asked_by = "test",
                             .inputs = {{.name = "t", .table = rows}}});
        right += table.ok() && Int64At(**table, 0, 0) == 100 * i;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

}  // namespace
}  // namespace salver
