#include "source/open_file_state.h"

#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <utime.h>

#include <fstream>

#include "test/test_folder.h"

namespace salver {
namespace {

class OpenFileStateTest : public testing::Test {
 protected:
  void Write(const std::string& text) const {
    std::fstream(path_, std::ios::binary | std::ios::in | std::ios::out) << text;
  }
  OpenFileState Open() const { return OpenFileState(arrow::io::ReadableFile::Open(path_).ValueOrDie()); }

  const TestFolder folder_;
  const std::string path_ = folder_.path() + "/rows";
};

TEST_F(OpenFileStateTest, AWriteOfTheSameLengthRightAfterAnotherIsSeen) {
  std::ofstream(path_) << "old";
  for (int run = 0; run < 50; ++run) {  // the clock of files goes on every few milliseconds only
    Write("old");
    const OpenFileState state = Open();
    EXPECT_TRUE(state.Unchanged());
    Write("new");
    EXPECT_FALSE(state.Unchanged());
  }
}

TEST_F(OpenFileStateTest, AFileOfAnotherClocksFutureIsNotWaitedForAndAWriteIsSeen) {
  std::ofstream(path_) << "old";
  const utimbuf times{.actime = 4'000'000'000, .modtime = 4'000'000'000};
  ASSERT_EQ(::utime(path_.c_str(), &times), 0);
  const OpenFileState state = Open();
  EXPECT_TRUE(state.Unchanged());
  Write("new");
  EXPECT_FALSE(state.Unchanged());
}

TEST_F(OpenFileStateTest, AReplacedFileIsUnchanged) {
  std::ofstream(path_) << "old";
  const OpenFileState state = Open();
  std::ofstream(path_ + ".new") << "longer";
  ASSERT_EQ(std::rename((path_ + ".new").c_str(), path_.c_str()), 0);
  EXPECT_TRUE(state.Unchanged());
}

}  // namespace
}  // namespace salver
