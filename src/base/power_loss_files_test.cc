// The power-loss files forget exactly what they say: without this the crash tests' silence means nothing.
#include "base/power_loss_files.h"

#include <gtest/gtest.h>

namespace salver {
namespace {

std::string ReadOr(Files* files, const std::string& path) {
  auto bytes = files->Read(path);
  return bytes.ok() ? *bytes : "(" + std::string(StatusCodeName(bytes.status().code())) + ")";
}

void Write(Files* files, const std::string& path, const std::string& bytes, bool sync) {
  auto file = files->Create(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(bytes).ok());
  if (sync) {
    ASSERT_TRUE((*file)->Sync().ok());
  }
  ASSERT_TRUE((*file)->Close().ok());
}

TEST(PowerLossFiles, BytesSurviveASyncAndNamesASyncOfTheFolder) {
  PowerLossFiles files;
  Write(&files, "d/a", "first", true);
  EXPECT_EQ(ReadOr(&files, "d/a"), "first");
  files.PowerOn(PowerLoss::kNothingKept);
  EXPECT_EQ(ReadOr(&files, "d/a"), "(NotFound)");  // synced bytes, but no name

  Write(&files, "d/a", "second", true);
  ASSERT_TRUE(files.SyncFolder("d").ok());
  Write(&files, "d/a", "third", false);
  files.PowerOn(PowerLoss::kNothingKept);
  EXPECT_EQ(ReadOr(&files, "d/a"), "second");

  Write(&files, "d/b", "other", false);
  ASSERT_TRUE(files.SyncFolder("elsewhere").ok());
  files.PowerOn(PowerLoss::kNothingKept);
  EXPECT_EQ(ReadOr(&files, "d/b"), "(NotFound)");  // another folder was synced
}

TEST(PowerLossFiles, ARenameIsUndoneOrKeepsOnlySyncedBytes) {
  const std::pair<PowerLoss, std::string> cases[] = {{PowerLoss::kNothingKept, "old"},
                                                     {PowerLoss::kNamesKept, ""},
                                                     {PowerLoss::kNamesAndHalfTheBytes, "ne"},
                                                     {PowerLoss::kBytesKept, "old"},
                                                     {PowerLoss::kEverythingKept, "newer"}};
  for (const auto& [loss, left] : cases) {
    PowerLossFiles files;
    Write(&files, "d/a", "old", true);
    ASSERT_TRUE(files.SyncFolder("d").ok());
    Write(&files, "d/a.new", "newer", false);
    ASSERT_TRUE(files.Rename("d/a.new", "d/a").ok());
    EXPECT_EQ(ReadOr(&files, "d/a"), "newer");
    files.PowerOn(loss);
    EXPECT_EQ(ReadOr(&files, "d/a"), left) << static_cast<int>(loss);
  }
}

TEST(PowerLossFiles, ThePowerGoesAtTheCallNamedAndStaysOff) {
  PowerLossFiles files;
  files.PowerOffIn(2);
  auto file = files.Create("d/a");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append("x").ok());
  EXPECT_EQ((*file)->Sync().code(), StatusCode::kUnavailable);
  EXPECT_EQ(files.SyncFolder("d").code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReadOr(&files, "d/a"), "(Unavailable)");
  files.PowerOn(PowerLoss::kEverythingKept);
  EXPECT_EQ((*file)->Append("y").code(), StatusCode::kUnavailable);  // a file of before
  EXPECT_EQ(ReadOr(&files, "d/a"), "x");
}

TEST(PowerLossFiles, ALockIsHeldOnceAndEndsWithThePower) {
  PowerLossFiles files;
  auto lock = files.Lock("d/l", Deadline::Never());
  ASSERT_TRUE(lock.ok());
  EXPECT_FALSE(files.Lock("d/l", Deadline::After(std::chrono::microseconds(1))).ok());
  files.PowerOn(PowerLoss::kNothingKept);
  auto again = files.Lock("d/l", Deadline::Never());
  ASSERT_TRUE(again.ok());
  lock->reset();  // of before the power went: releases nothing
  EXPECT_FALSE(files.Lock("d/l", Deadline::After(std::chrono::microseconds(1))).ok());
}

}  // namespace
}  // namespace salver
