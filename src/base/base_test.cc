#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/byte_size.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/nearest.h"
#include "test/test_folder.h"

namespace salver {
namespace {

TEST(Clock, ReadsEveryFormOfIso8601) {
  const int64_t t = 1795224600LL * kMicrosPerSecond;  // 2026-11-21T01:30:00Z
  for (const char* text :
       {"2026-11-21T01:30:00Z", "2026-11-21 01:30", "2026-11-21T02:30:00+01:00", "2026-11-20T20:30:00-0500",
        "2026-11-21T01:30:00.000000", "2026-11-21T01:30:00 +00"}) {
    const auto parsed = ParseTime(text);
    ASSERT_TRUE(parsed.ok()) << text << " " << parsed.status().ToString();
    EXPECT_EQ(parsed->micros, t) << text;
  }
  EXPECT_FALSE(ParseTime("2026-11-21T01:30:00")->has_zone);
  EXPECT_TRUE(ParseTime("2026-11-21T01:30:00Z")->has_zone);
  EXPECT_EQ(ParseTime("1969-12-31T23:59:59.999999Z")->micros, -1);
  EXPECT_EQ(ParseTime("2026-11-21T01:30:00.1234567Z")->micros, t + 123456);
}

TEST(Clock, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "now", "2026-13-01", "2026-02-30", "2026-11-21T", "2026-11-21T25:00:00", "2026-11-21T01:60",
        "2026-11-21T01:30:00+25:00", "2026-11-21T01:30:00Zx", "2026-11-21T01:30:00."}) {
    const auto parsed = ParseTime(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().reason(), Reason::kBadTimestamp);
    EXPECT_NE(parsed.status().message().find(std::string("\"") + text + "\""), std::string::npos);
  }
}

TEST(Clock, FormatsWhatItReads) {
  for (const char* text : {"2026-11-21T01:30:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"}) {
    EXPECT_EQ(FormatTime(ParseTime(text)->micros), text);
  }
}

TEST(Files, ReplacedFileIsReadBackWhole) {
  const std::string path = testing::TempDir() + "/replaced";
  ASSERT_TRUE(ReplaceFile(Files::System(), path, "one").ok());
  const auto before = Files::System()->Identify(path);
  ASSERT_TRUE(ReplaceFile(Files::System(), path, "two").ok());
  EXPECT_EQ(*Files::System()->Read(path), "two");
  EXPECT_FALSE(*before == *Files::System()->Identify(path));
  ASSERT_TRUE(Files::System()->Remove(path).ok());
  EXPECT_EQ(Files::System()->Read(path).status().code(), StatusCode::kNotFound);
}

TEST(Files, ATemporaryFileHasNoName) {
  const std::string folder = testing::TempDir() + "/temporary";
  std::filesystem::remove_all(folder);
  auto file = Files::System()->CreateTemporary(folder);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_TRUE((*file)->Append("one").ok());
  ASSERT_TRUE((*file)->Append("two").ok());
  EXPECT_EQ((*file)->size(), 6);
  std::string read(4, ' ');
  ASSERT_TRUE((*file)->ReadAt(2, read).ok());
  EXPECT_EQ(read, "etwo");
  EXPECT_EQ((*file)->ReadAt(3, read).code(), StatusCode::kDataLoss);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_FALSE(Files::System()->CreateTemporary("/proc/nowhere").ok());
}

// Several threads create one file: one does, and its bytes are there. False and a word on stderr otherwise.
bool OnlyOneCreates(const std::string& path) {
  std::atomic<int> created{0}, wrong{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, text = std::string(1000, static_cast<char>('a' + i))] {
      const Status status = CreateNewFile(Files::System(), path, text);
      created += status.ok();
      wrong +=
          status.ok() ? *Files::System()->Read(path) != text : status.code() != StatusCode::kAlreadyExists;
      if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    });
  }
  threads.clear();
  return created == 1 && wrong == 0;
}

TEST(Files, ANewFileIsNeverPutInThePlaceOfAnother) {
  const TestFolder folder;
  EXPECT_TRUE(OnlyOneCreates(folder.path() + "/new"));
}

// From here on renameat2 fails in this process with `error`, as where the file system, or the system, does
// not know it.
bool RefuseRenameAt2(int error) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog filter = {std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

int CreateWithoutRenameAt2(int error) {
  const TestFolder folder;
  const std::string path = folder.path() + "/new", other = folder.path() + "/other";
  if (!RefuseRenameAt2(error)) return 2;
  if (!OnlyOneCreates(path)) return 1;
  if (!ReplaceFile(Files::System(), other, "other").ok()) return 1;
  const std::string text = *Files::System()->Read(path);
  if (Files::System()->RenameNew(other, path).code() != StatusCode::kAlreadyExists) return 1;
  if (*Files::System()->Read(path) != text || *Files::System()->Read(other) != "other") return 1;
  if (!Files::System()->RenameNew(other, path + ".2").ok()) return 1;
  // Both are there under one name each, and nothing besides.
  const std::filesystem::directory_iterator files(folder.path());
  return std::distance(begin(files), end(files)) == 2 ? 0 : 1;
}

TEST(Files, ANewFileIsNeverPutInThePlaceOfAnotherWhereRenamesCanNotTell) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const int error : {EINVAL, ENOSYS, ENOTSUP})
    EXPECT_EXIT(::_exit(CreateWithoutRenameAt2(error)), testing::ExitedWithCode(0), "")
        << std::strerror(error);
}

TEST(ByteSize, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*ParseByteSize("1"), 1);
  EXPECT_EQ(*ParseByteSize("64KiB"), 65'536);
  EXPECT_EQ(*ParseByteSize("0.5 MB"), 500'000);
  EXPECT_EQ(*ParseByteSize("2TB"), 2'000'000'000'000);
  for (const char* bad :
       {"", "GB", "1gb", "1  GB", "1GB ", " 1GB", "1e9", "0x10", "inf", "nan", "-1", "0", "0.5"})
    EXPECT_EQ(ParseByteSize(bad).status().reason(), Reason::kBadConfig) << bad;
}

TEST(Files, LockIsHeldByOneAtATime) {
  const std::string path = testing::TempDir() + "/lock";
  auto held = Files::System()->Lock(path, Deadline::Never());
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(Files::System()->Lock(path, Deadline::After(std::chrono::microseconds(0))).status().code(),
            StatusCode::kUnavailable);
  held->reset();
  EXPECT_TRUE(Files::System()->Lock(path, Deadline::After(std::chrono::microseconds(0))).ok());
}

TEST(Nearest, FindsTheMisspeltName) {
  EXPECT_EQ(NearestName("tripz", {"driver", "trips"}), "trips");
  EXPECT_EQ(NearestName("zebra", {"driver", "trips"}), "");
  EXPECT_EQ(NearestNameHint("zebra", {"driver", "trips"}), " There is: driver, trips.");
}

}  // namespace
}  // namespace salver
