// Logs as other programs write them. What deltalake makes of ours, and we of its, is asked in offline/delta.
#include "source/delta_log.h"
#include "test/test_folder.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace salver {
namespace {

class DeltaLogTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_ + "/_delta_log"); }

  void Commit(int number, const std::string& actions) const {
    std::ofstream(folder_ + "/_delta_log/" + std::string(19, '0') + std::to_string(number) + ".json")
        << actions;
  }
  // The names of the files, or the error.
  std::string Files(DeltaVersion* version) const {
    const Status status = ReplayDeltaLog(salver::Files::System(), folder_, version);
    if (!status.ok()) return status.message();
    std::string names;
    for (const DeltaFile& file : version->files) names += file.name + ";";
    return names;
  }
  std::string Files() const {
    DeltaVersion version;
    return Files(&version);
  }
  std::string TextOf(int number) const {
    return salver::Files::System()
        ->Read(folder_ + "/_delta_log/" + std::string(19, '0') + std::to_string(number) + ".json")
        .value();
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
};

constexpr char kFirst[] =
    R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"t","name":"n","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"k\", \"type\":\"long\",\"nullable\":false,\"metadata\":{}}]}","partitionColumns":[],"configuration":{"a.b":"c"}}}
)";
std::string Add(const std::string& path) {
  return R"({"add":{"path":")" + path + R"(","partitionValues":{},"size":9,"dataChange":true}})" + "\n";
}

TEST_F(DeltaLogTest, AFileThatIsAddedAgainIsThereOnce) {
  Commit(0, kFirst + Add("a") + Add("b"));
  Commit(1, Add("a"));
  EXPECT_EQ(Files(), "b;a;");
}

TEST_F(DeltaLogTest, ARemovedFileIsCalledAsTheLogCallsIt) {
  Commit(0, kFirst + Add("part%201") + Add("b"));
  DeltaVersion version;
  EXPECT_EQ(Files(&version), "part 1;b;");
  ASSERT_TRUE(
      CommitToDelta(salver::Files::System(), folder_, version, {.removed = {version.files[0]}}, 0).ok());
  EXPECT_NE(TextOf(1).find(R"("path":"part%201")"), std::string::npos) << TextOf(1);
  EXPECT_EQ(Files(&version), "b;");
}

TEST_F(DeltaLogTest, WhatTheTableHasOtherwiseStaysWhenItsColumnsChange) {
  Commit(0, kFirst);
  DeltaVersion version;
  EXPECT_EQ(Files(&version), "");
  const auto field = arrow::field("k", arrow::int64());
  const auto commit = [&](const arrow::FieldVector& fields) {
    const std::string schema = DeltaSchema(*arrow::schema(fields)).value();
    const Status status = CommitToDelta(salver::Files::System(), folder_, version, {.schema = schema}, 0);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(Files(&version), "");
    return TextOf(static_cast<int>(version.number));
  };
  EXPECT_EQ(commit({field}).find("metaData"), std::string::npos) << "the same columns, written otherwise";
  const std::string wider = commit({field, arrow::field("x", arrow::utf8())});
  for (const char* part : {R"("configuration":{"a.b":"c"})", R"("name":"n")", R"("id":"t")", R"(\"x\")"})
    EXPECT_NE(wider.find(part), std::string::npos) << part << " in " << wider;
}

TEST_F(DeltaLogTest, ACommitOnTopOfAnOldVersionIsRefused) {
  Commit(0, kFirst);
  DeltaVersion version;
  EXPECT_EQ(Files(&version), "");
  Commit(1, Add("a"));
  EXPECT_EQ(CommitToDelta(salver::Files::System(), folder_, version, {}, 0).code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(Files(&version), "a;");
  EXPECT_TRUE(HasDeltaVersion(salver::Files::System(), folder_, version));
  Commit(1, Add("b"));  // another table in its place
  EXPECT_FALSE(HasDeltaVersion(salver::Files::System(), folder_, version));
}

TEST_F(DeltaLogTest, WhatIsNotUnderstoodIsRefused) {
  const auto says = [&](const std::string& commit, const char* part) {
    Commit(0, kFirst + commit);
    EXPECT_NE(Files().find(part), std::string::npos) << Files();
  };
  says(R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7}})", "needs reader version 3");
  says(R"({"add":{"path":"a","partitionValues":{"d":"1"},"size":1}})", "needs partitions");
  says(R"({"add":{"path":"a","partitionValues":{},"size":1,"deletionVector":{"storageType":"u"}}})",
       "needs deletion vectors");
  says("{\"add\":{\"path\"", "damaged");
  // A table whose first commits are gone is not one without commits.
  std::filesystem::remove(folder_ + "/_delta_log/00000000000000000000.json");
  EXPECT_EQ(Files(), "");
  Commit(7, Add("a"));
  EXPECT_NE(Files().find("lost its first commits"), std::string::npos) << Files();
}

TEST_F(DeltaLogTest, TablesThatAskMoreOfWritersAreNotWritten) {
  DeltaVersion version;
  Commit(0, std::string(kFirst) + R"({"protocol":{"minReaderVersion":1,"minWriterVersion":4}})");
  EXPECT_EQ(Files(&version), "");
  EXPECT_EQ(CommitToDelta(salver::Files::System(), folder_, version, {}, 0).code(),
            StatusCode::kUnimplemented);
  std::string only = kFirst;
  only.replace(only.find("\"a.b\":\"c\""), 9, R"("delta.appendOnly":"true")");
  Commit(0, only + Add("a"));
  version = {};
  EXPECT_EQ(Files(&version), "a;");
  EXPECT_EQ(
      CommitToDelta(salver::Files::System(), folder_, version, {.removed = {version.files[0]}}, 0).code(),
      StatusCode::kUnimplemented);
  EXPECT_TRUE(CommitToDelta(salver::Files::System(), folder_, version, {.added = {{.name = "b"}}}, 0).ok());
}

}  // namespace
}  // namespace salver
