#include "sql/sql_text.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace salver {
namespace {

TEST(SqlText, QuotesAreDoubled) {
  EXPECT_EQ(QuoteSqlName("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(QuoteSqlText("it's"), "'it''s'");
}

TEST(SqlText, ASelectAroundASelectKeepsItsLines) {
  EXPECT_EQ(SelectFrom("SELECT 1 AS x -- one", {}, ""), "SELECT * FROM (\nSELECT 1 AS x -- one\n) AS rows");
  EXPECT_EQ(SelectFrom("t", {"a", "b"}, "a > 1"), "SELECT \"a\", \"b\" FROM (\nt\n) AS rows WHERE a > 1");
}

TEST(SqlText, MessagesAreOneLineAndCountLinesAsTheAuthorDoes) {
  const std::string message =
      "Binder Error: Referenced column \"trip\" not found in FROM clause!\nCandidate bindings: \"trips\"\n\n"
      "LINE 3: SELECT trip\n               ^";
  EXPECT_EQ(
      SqlMessage(message, 1),
      "Binder Error: Referenced column \"trip\" not found in FROM clause! Candidate bindings: \"trips\" "
      "(line 2: SELECT trip)");
  EXPECT_EQ(SqlMessage("IO Error: no\nspace", 0), "IO Error: no space");
}

TEST(SqlText, AFileOfTheWorkingFolderIsNotReadInPlaceOfTheRepositorys) {
  const auto folder = std::filesystem::temp_directory_path() / "salver_sql_text_repository";
  std::filesystem::create_directories(folder);
  // ctest runs in the top folder, which has this file.
  EXPECT_TRUE(CheckFileNames("SELECT * FROM 'CMakeLists.txt'", "", "x").ok());
  const Status status =
      CheckFileNames("SELECT 'no file', \"a\" FROM 'CMakeLists.txt'", folder.string(), "source \"t\"");
  EXPECT_EQ(status.reason(), Reason::kBadSource);
  EXPECT_NE(status.message().find("source \"t\": its SQL names \"CMakeLists.txt\""), std::string::npos)
      << status.ToString();
  EXPECT_TRUE(CheckFileNames("SELECT 'src', 'it''s' FROM 'data/x.parquet'", folder.string(), "x").ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace salver
