#include "salver/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <thread>

namespace salver {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override {
    ::unsetenv("SALVER_LOG");
    EXPECT_TRUE(ConfigureLog({}).ok());
  }
  // What `write` leaves on stderr.
  template <typename Write>
  static std::string Lines(Write write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

void WriteOne(const Status& status) {
  LogLine line(LogRoom::kGroups, "write_features");
  line.Add("group", "driver \"stats\"");
  line.Add("rows", 12);
  line.End(status);
}

TEST_F(LogTest, AnOperationIsOneLineOfJson) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo}).ok());
  const std::string line = Lines([] { WriteOne(Status::OK()); });
  EXPECT_TRUE(line.starts_with("{\"time\": \"20")) << line;
  EXPECT_NE(line.find("\"level\": \"info\", \"room\": \"groups\", \"operation\": \"write_features\", "
                      "\"group\": \"driver \\\"stats\\\"\", \"rows\": 12, \"duration_us\": "),
            std::string::npos)
      << line;
  EXPECT_TRUE(line.ends_with("}\n")) << line;
}

TEST_F(LogTest, AnOperationIsOneLineOfText) {
  ASSERT_TRUE(ConfigureLog({.json = false, .level = LogLevel::kDebug}).ok());
  const std::string line = Lines([] { WriteOne(Status::OK()); });
  EXPECT_NE(line.find(" info groups write_features group=\"driver \\\"stats\\\"\" rows=12 duration_us="),
            std::string::npos)
      << line;
}

TEST_F(LogTest, AFailureIsAWarningEvenWhereOperationsAreNotLogged) {
  ASSERT_TRUE(ConfigureLog({}).ok());
  EXPECT_EQ(Lines([] { WriteOne(Status::OK()); }), "");
  const std::string line = Lines([] { WriteOne(Status::NotFound("no such group")); });
  EXPECT_NE(line.find("\"level\": \"warn\""), std::string::npos) << line;
  EXPECT_NE(line.find("\"code\": \"NotFound\", \"error\": \"no such group\"}"), std::string::npos) << line;
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kOff}).ok());
  EXPECT_EQ(Lines([] { WriteOne(Status::NotFound("no such group")); }), "");
}

TEST_F(LogTest, LevelsAreByRoomAndTheEnvironmentWins) {
  ::setenv("SALVER_LOG", "error,groups=info,format=text", 1);
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kDebug, .rooms = {{"server", LogLevel::kDebug}}}).ok());
  EXPECT_TRUE(LogEnabled(LogRoom::kGroups, LogLevel::kInfo));
  EXPECT_FALSE(LogEnabled(LogRoom::kGroups, LogLevel::kDebug));
  EXPECT_FALSE(LogEnabled(LogRoom::kServer, LogLevel::kWarn));
  EXPECT_TRUE(LogEnabled(LogRoom::kServer, LogLevel::kError));
}

TEST_F(LogTest, AMisspeltEntryIsRefusedWithTheNearestNameAndChangesNothing) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo}).ok());
  for (const auto& [text, hint] : {std::pair("group=info", "\"groups\""), std::pair("groups=inof", "info"),
                                   std::pair("verbose", "info"), std::pair("format=yaml", "json")}) {
    ::setenv("SALVER_LOG", text, 1);
    const Status refused = ConfigureLog({});
    EXPECT_EQ(refused.reason(), Reason::kBadConfig) << text;
    EXPECT_NE(refused.message().find(hint), std::string::npos) << refused.message();
    EXPECT_TRUE(LogEnabled(LogRoom::kGroups, LogLevel::kInfo));
  }
}

TEST_F(LogTest, CredentialsAreLeftOut) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo}).ok());
  const std::string line = Lines([] {
    LogLine line(LogRoom::kGroups, "open");
    line.Add("path", "s3://AKIA:hunter2@bucket/x and postgres://me:p@ss@host/db, mail a@b.c");
    line.Add("db_password", "hunter2");
    line.End(Status::Unavailable("postgres://me:hunter2@host/db does not answer"));
  });
  EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
  EXPECT_EQ(line.find("p@ss"), std::string::npos) << line;
  EXPECT_NE(line.find("s3://***@bucket/x and postgres://***@host/db, mail a@b.c"), std::string::npos) << line;
}

// stderr that nobody reads is full after a few lines; whoever logs goes on all the same.
TEST_F(LogTest, InTheBackgroundNobodyWaitsForStderr) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo}).ok());
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const int stderr_before = ::dup(STDERR_FILENO);
  ::dup2(pipe_ends[1], STDERR_FILENO);
  size_t lost = 0;
  std::string first;
  {
    BackgroundLog background(100);
    const std::string long_value(4096, 'x');
    for (int i = 0; i < 1000; ++i) {
      LogLine line(LogRoom::kServer, "request");
      line.Add("value", long_value);
      line.End();
    }
    lost = background.lines_lost();
    const int nowhere = ::open("/dev/null", O_WRONLY);  // for the lines that wait
    ::dup2(nowhere, STDERR_FILENO);
    ::close(nowhere);
    ::close(pipe_ends[1]);
    char bytes[4096];  // the thread is inside a write to the pipe still: read it empty
    for (ssize_t size; (size = ::read(pipe_ends[0], bytes, sizeof bytes)) > 0;)
      if (first.size() < 10) first.append(bytes, static_cast<size_t>(size));
  }
  ::dup2(stderr_before, STDERR_FILENO);
  ::close(pipe_ends[0]);
  ::close(stderr_before);
  EXPECT_GT(lost, 500u);
  EXPECT_TRUE(first.starts_with("{\"time\"")) << first;
}

TEST_F(LogTest, TheEndOfABackgroundLogWritesWhatWaits) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo}).ok());
  const std::string lines = Lines([] {
    BackgroundLog background(1000), second(1000);
    for (int i = 0; i < 500; ++i) WriteOne(Status::OK());
    EXPECT_EQ(background.lines_lost(), 0u);
  });
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 500);
}

TEST_F(LogTest, LinesOfManyThreadsAreWhole) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo}).ok());
  const std::string lines = Lines([] {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int j = 0; j < 50; ++j) WriteOne(Status::OK());
      });
    }
  });
  size_t count = 0;
  for (size_t at = 0; at < lines.size(); ++count) {
    const size_t end = lines.find('\n', at);
    ASSERT_TRUE(lines.substr(at, end - at).starts_with("{\"time\"") && lines[end - 1] == '}');
    at = end + 1;
  }
  EXPECT_EQ(count, 200u);
}

}  // namespace
}  // namespace salver
