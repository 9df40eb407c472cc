// More than the server can do: what it refuses, and that the others go on.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "server/serving_fixture.h"
#include "server/test_http2_client.h"

#include "feast/serving/ServingService.pb.h"

namespace salver {
namespace {

using std::chrono::milliseconds;
constexpr std::string_view kOnline = "/get-online-features";
constexpr std::string_view kGrpcRead = "/feast.serving.ServingService/GetOnlineFeatures";

std::string GrpcRanking(size_t rows) {
  feast::serving::GetOnlineFeaturesRequest request;
  request.set_feature_service("ranking");
  auto& drivers = (*request.mutable_entities())["driver_id"];
  for (size_t row = 0; row < rows; ++row) drivers.add_val()->set_int64_val(1);
  return request.SerializeAsString();
}

std::string LargeRead(size_t rows) {
  std::string ids = "1";
  for (size_t row = 1; row < rows; ++row) ids += ",1";
  return R"({"feature_service":"ranking","entities":{"driver_id":[)" + ids + "]}}";
}

class OverloadTest : public ServingFixture {
 protected:
  // Reads take 10 ms each and may wait for 50.
  void ServeSlowReads() {
    store_->on_read = [this] {
      ++reads_;
      const auto end = std::chrono::steady_clock::now() + milliseconds(10);
      while (std::chrono::steady_clock::now() < end) {
      }
    };
    Serve({.workers = 1, .queue_time_max = milliseconds(50)});
  }
  std::atomic<int> reads_{0};
};

TEST_F(OverloadTest, ReadsThatWouldWaitTooLongAreRefusedAtOnceAndHealthIsAnswered) {
  ServeSlowReads();
  for (int i = 0; i < 2; ++i) TestClient(port()).Post(kOnline, kRead);  // now it knows what a read costs
  constexpr int kClients = 30;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<TestClient>(port()));
  for (const auto& client : clients) EXPECT_EQ(client->Get("/health").status, 200);
  for (const auto& client : clients) client->Send(PostBytes(kOnline, kRead));
  EXPECT_EQ(TestClient(port()).Get("/health").status, 200);
  int answered = 0, refused = 0;
  for (const auto& client : clients) {
    const auto answer = client->Receive();
    ASSERT_TRUE(answer);
    if (answer->status == 200) {
      EXPECT_EQ(answer->body, kAnswer);
      ++answered;
    } else {
      EXPECT_EQ(answer->status, 503);
      EXPECT_EQ(answer->headers.at("retry-after"), "1");
      ++refused;
    }
  }
  EXPECT_GT(answered, 0);
  EXPECT_GT(refused, kClients / 3) << "of all that came at the same time few can be answered in 50 ms";
  EXPECT_EQ(reads_, answered + 2) << "no work is done for what is refused";
  EXPECT_EQ(clients[0]->Post(kOnline, kRead).body, kAnswer) << "the connections go on";
  const std::string text = clients[0]->Get("/metrics").body;
  EXPECT_NE(text.find("salver_refused_total{reason=\"queue_time\"} " + std::to_string(refused)),
            std::string::npos)
      << text;
  server_->Stop();
}

// Streams of one connection wait in the same queue, and answers that nobody takes give way there too.
TEST_F(OverloadTest, GrpcCallsThatWouldWaitTooLongAreRefusedAtOnce) {
  ServeSlowReads();
  auto connection = std::make_unique<TestHttp2Client>(port());
  TestHttp2Client& client = *connection;
  for (int i = 0; i < 2; ++i) ASSERT_EQ(client.Grpc(kGrpcRead, GrpcRanking(1)).grpc_status(), "0");
  std::vector<int> calls;
  for (int i = 0; i < 30; ++i) calls.push_back(client.BeginGrpc(kGrpcRead, GrpcRanking(1)));
  EXPECT_EQ(client.Grpc("/grpc.health.v1.Health/Check", "").grpc_status(), "0");
  int answered = 0, refused = 0;
  for (const int call : calls) {
    const std::string status = client.Await(call).grpc_status();
    EXPECT_TRUE(status == "0" || status == "14") << status;  // UNAVAILABLE
    ++(status == "0" ? answered : refused);
  }
  EXPECT_GT(answered, 0);
  EXPECT_GT(refused, 10) << "of all that came at the same time few can be answered in 50 ms";
  EXPECT_EQ(reads_, answered + 2) << "no work is done for what is refused";
  connection.reset();
  server_->Stop();
}

TEST_F(OverloadTest, AnAnswerThatAnHttp2ClientDoesNotTakeIsGivenUpWhenItsRoomIsNeeded) {
  constexpr size_t kRoom = 4 << 20, kRows = 30'000;
  Serve({.workers = 1, .bytes_in_flight_max = kRoom});
  TestClient reader(port());
  const auto number = [&](std::string_view name) {
    const std::string text = reader.Get("/metrics").body;
    return std::stoll(text.substr(text.find(name) + name.size()));
  };
  // Its windows take 64 KB of the answers and no more.
  TestHttp2Client idle(port());
  ASSERT_EQ(idle.Grpc(kGrpcRead, GrpcRanking(1)).grpc_status(), "0");  // it knows how much it may send
  const int first = idle.BeginGrpc(kGrpcRead, GrpcRanking(kRows));
  while (number("\nsalver_bytes_in_flight ") < int64_t{kRoom / 8}) {
    // Its call is on its way.
  }
  const std::string large = LargeRead(kRows);
  // Refused until the other's answer has waited for a second; then it has to go.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  int answered = 0;
  while (answered < 4 || number("\nsalver_bytes_in_flight ") > 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    const int status = reader.Post(kOnline, large).status;
    ASSERT_TRUE(status == 200 || status == 503);
    answered += status == 200;
  }
  EXPECT_EQ(idle.Await(first).reset, 8u);  // CANCEL
  EXPECT_EQ(idle.Grpc(kGrpcRead, GrpcRanking(1)).grpc_status(), "0") << "the connection goes on";
}

// Senders of large bodies that never end hold what they have sent, but not what others need.
TEST_F(OverloadTest, HalfSentLargeBodiesLeaveRoomForOthers) {
  constexpr size_t kRoom = 1 << 20, kSent = 400 << 10;
  Serve({.workers = 1, .bytes_in_flight_max = kRoom});
  const std::string part = "POST /push HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + std::string(kSent, ' ');
  TestClient first(port()), reader(port());
  first.Send(part);
  const auto in_flight = [&] {
    const std::string text = reader.Get("/metrics").body;
    return std::stoll(text.substr(text.find("\nsalver_bytes_in_flight ") + 24));
  };
  while (in_flight() < int64_t{kSent}) {
    // Its bytes are on their way.
  }
  TestClient second(port());
  second.Send(part);
  const auto answer = second.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->headers.at("retry-after"), "1");
  EXPECT_EQ(reader.Post(kOnline, kRead).body, kAnswer);
  first.Send(std::string(1'000'000 - kSent, ' '));
  EXPECT_EQ(first.Receive()->status, 422) << "it was taken on";
  while (in_flight() != 0) {
    // The loop lets go of it after its answer was sent.
  }
  TestClient third(port());
  third.Send(part);
  third.Send(std::string(1'000'000 - kSent, ' '));
  EXPECT_EQ(third.Receive()->status, 422);
}

// Half-open sockets, half requests and clients that do not read, many of each, beside a client that does all
// right: it gets every answer.
TEST_F(OverloadTest, BadClientsCostTheOthersNothing) {
  Serve({.workers = 1,
         .bytes_in_flight_max = 8 << 20,
         .queue_time_max = std::chrono::minutes(1),
         .idle_time_max = milliseconds(300)});
  const std::string large = PostBytes(kOnline, LargeRead(20'000));
  const std::string deep = PostBytes(kOnline, std::string(10'000, '['));
  std::string zipped =
      "POST /get-online-features HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n";
  zipped += std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 10) + std::string(10, '\xff');
  std::vector<std::unique_ptr<TestClient>> bad;
  TestClient good(port());
  for (int i = 0; i < 60; ++i) {
    auto client = std::make_unique<TestClient>(port());
    client->SetReceiveBuffer(4096);
    const std::string parts[] = {"", "POST /get-onl", large.substr(0, large.size() / 2), large, deep, zipped};
    client->Send(parts[i % 6]);
    bad.push_back(std::move(client));
    EXPECT_EQ(good.Post(kOnline, kRead).body, kAnswer) << i;
  }
  for (const auto end = std::chrono::steady_clock::now() + milliseconds(400);
       std::chrono::steady_clock::now() < end;) {
    ASSERT_EQ(good.Post(kOnline, kRead).body, kAnswer);
  }
  for (int i = 4; i < 60; i += 6) EXPECT_EQ(bad[i]->Receive()->status, 422) << "too deep";
  for (int i = 5; i < 60; i += 6) EXPECT_EQ(bad[i]->Receive()->status, 422) << "no JSON";
  for (int i = 0; i < 60; i += 6) EXPECT_TRUE(bad[i]->AtEnd()) << "idle";
}

}  // namespace
}  // namespace salver
