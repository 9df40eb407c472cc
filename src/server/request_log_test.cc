// A request is one line of the room "server": method, path and status, and nothing of what was asked for.
#include <gtest/gtest.h>

#include "salver/log.h"
#include "server/serving_fixture.h"
#include "server/test_client.h"

namespace salver {
namespace {

class RequestLog : public ServingFixture {
 protected:
  ~RequestLog() override { EXPECT_TRUE(ConfigureLog({}).ok()); }
  // What one request leaves on stderr; the server has ended by then.
  std::string LinesOf(const std::string& path, const std::string& body, HttpServerOptions options = {}) {
    Serve(options);
    testing::internal::CaptureStderr();
    TestClient(port()).Post(path, body);
    server_->Stop();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(RequestLog, ARequestIsOneLine) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kOff, .rooms = {{"server", LogLevel::kInfo}}}).ok());
  const std::string line = LinesOf("/get-online-features?secret=word", std::string(kRead));
  EXPECT_NE(line.find(R"("level": "info", "room": "server", "operation": "request", "method": "POST", )"
                      R"("path": "/get-online-features", "status": 200, "request_bytes": 60, "bytes": )"),
            std::string::npos)
      << line;
  EXPECT_NE(line.find("\"handled_us\": "), std::string::npos) << line;
  EXPECT_EQ(line.find("word"), std::string::npos) << line;
  EXPECT_EQ(line.find("ranking"), std::string::npos) << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
  EXPECT_NE(LinesOf("/nowhere", "").find("\"status\": 404"), std::string::npos);
}

TEST_F(RequestLog, TheAccessLogCanBeLeftOut) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kOff, .rooms = {{"server", LogLevel::kInfo}}}).ok());
  EXPECT_EQ(LinesOf("/get-online-features", std::string(kRead), {.access_log = false}), "");
}

// What a request that takes long took: the steps are there, and together they are no more than the whole.
TEST_F(RequestLog, ASlowRequestIsALineWithTheTimeOfEachStep) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kWarn}).ok());
  std::string ids = "1";
  for (int i = 0; i < 200'000; ++i) ids += ",1";  // far more than the millisecond below
  const std::string body = R"({"feature_service":"ranking","entities":{"driver_id":[)" + ids + "]}}";
  const std::string line =
      LinesOf("/get-online-features", body, {.slow_request_min = std::chrono::milliseconds(1)});
  EXPECT_NE(line.find("\"operation\": \"slow_request\""), std::string::npos) << line;
  const auto micros = [&](const std::string& step) {
    const size_t at = line.find("\"" + step + "_us\": ");
    EXPECT_NE(at, std::string::npos) << step << "\n" << line;
    return at == std::string::npos ? 0 : std::stoll(line.substr(at + step.size() + 7));
  };
  long long sum = 0;
  for (const char* step : {"parse", "plan", "read", "encode"}) {
    EXPECT_GT(micros(step), 0) << step << "\n" << line;
    sum += micros(step);
  }
  EXPECT_LE(sum, micros("handle"));
  EXPECT_LE(micros("wait") + micros("handle") + micros("write"), micros("total") + 3)
      << "each is cut to whole ones";
  EXPECT_GE(micros("receive"), 0);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
}

TEST_F(RequestLog, NoRequestIsSlowWhereNoneIsMeantToBe) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kWarn}).ok());
  EXPECT_EQ(LinesOf("/get-online-features", std::string(kRead), {.slow_request_min = {}}), "");
}

TEST_F(RequestLog, NothingIsWrittenBelowTheRoomsLevel) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo, .rooms = {{"server", LogLevel::kWarn}}}).ok());
  EXPECT_EQ(LinesOf("/get-online-features", std::string(kRead)), "");
}

}  // namespace
}  // namespace salver
