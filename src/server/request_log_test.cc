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
  std::string LinesOf(const std::string& path, const std::string& body) {
    Serve();
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
                      R"("path": "/get-online-features", "status": 200, "bytes": )"),
            std::string::npos)
      << line;
  EXPECT_NE(line.find("\"handled_us\": "), std::string::npos) << line;
  EXPECT_EQ(line.find("word"), std::string::npos) << line;
  EXPECT_EQ(line.find("ranking"), std::string::npos) << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
  EXPECT_NE(LinesOf("/nowhere", "").find("\"status\": 404"), std::string::npos);
}

TEST_F(RequestLog, NothingIsWrittenBelowTheRoomsLevel) {
  ASSERT_TRUE(ConfigureLog({.level = LogLevel::kInfo, .rooms = {{"server", LogLevel::kWarn}}}).ok());
  EXPECT_EQ(LinesOf("/get-online-features", std::string(kRead)), "");
}

}  // namespace
}  // namespace salver
