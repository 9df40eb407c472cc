// An online store that is a server makes requests wait for its socket: what the loop does meanwhile.
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/socket_wait.h"
#include "server/serving_fixture.h"
#include "server/test_http2_client.h"

#include "feast/serving/ServingService.pb.h"

namespace salver {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
constexpr std::string_view kOnline = "/get-online-features";
constexpr std::string_view kGrpcRead = "/feast.serving.ServingService/GetOnlineFeatures";

// What a store's server would answer through: ready once it was let go.
class Gate {
 public:
  Gate() : socket_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Gate() { ::close(socket_); }
  bool Wait(Clock::time_point until) const {
    const int own = ::dup(socket_);  // one wait at a time for a socket
    const bool open = WaitForSocket(own, POLLIN, until);
    ::close(own);
    return open;
  }
  void Open() const { ASSERT_EQ(::eventfd_write(socket_, 1), 0); }

 private:
  const int socket_;
};

std::string GrpcRanking() {
  feast::serving::GetOnlineFeaturesRequest request;
  request.set_feature_service("ranking");
  (*request.mutable_entities())["driver_id"].add_val()->set_int64_val(1);
  return request.SerializeAsString();
}

class WaitingStoreTest : public ServingFixture {
 protected:
  // The first `count` reads wait at the gate.
  void ServeReadsThatWait(int count, HttpServerOptions options = {.workers = 1}) {
    store_->on_read = [this, count] {
      if (++reads_ <= count) passed_ += gate_.Wait(Clock::time_point::max()) ? 1 : 0;
    };
    Serve(options);
  }
  void AwaitReads(int count) const {
    while (reads_ < count) std::this_thread::yield();
  }
  std::string Metrics() const { return TestClient(port()).Get("/metrics").body; }

  Gate gate_;
  std::atomic<int> reads_{0}, passed_{0};
};

TEST_F(WaitingStoreTest, ARequestThatWaitsLeavesItsLoopToOthers) {
  ServeReadsThatWait(1);
  TestClient first(port()), second(port());
  first.Send(PostBytes(kOnline, kRead));
  AwaitReads(1);
  // Of another shape, so that it would show if the first had lost what it was asked.
  const auto other = second.Post(
      kOnline,
      R"({"full_feature_names":true,"entities":{"driver_id":[2]},"features":["stats:city","stats:trips"]})");
  EXPECT_EQ(other.status, 200);
  EXPECT_NE(other.body.find("stats__city"), std::string::npos) << other.body;
  EXPECT_EQ(passed_, 0);
  gate_.Open();
  EXPECT_EQ(first.Receive()->body, kAnswer);
  EXPECT_EQ(passed_, 1);
}

TEST_F(WaitingStoreTest, AWaitEndsWhenItsTimeIsOver) {
  const auto begin = Clock::now();
  store_->on_read = [&] {
    // The second ends first, though the timer was set for the first.
    passed_ += gate_.Wait(begin + (++reads_ == 1 ? milliseconds(60) : milliseconds(20))) ? 1 : 0;
  };
  Serve({.workers = 1});
  TestClient first(port()), second(port());
  first.Send(PostBytes(kOnline, kRead));
  AwaitReads(1);
  EXPECT_EQ(second.Post(kOnline, kRead).body, kAnswer);
  EXPECT_GE(Clock::now() - begin, milliseconds(20));
  EXPECT_EQ(first.Receive()->body, kAnswer);
  EXPECT_GE(Clock::now() - begin, milliseconds(60));
  EXPECT_EQ(passed_, 0);
}

TEST_F(WaitingStoreTest, NoMoreThan64WaitAtOnceAndTheOthersComeInTurn) {
  constexpr int kClients = 100, kAtOnce = 64;
  ServeReadsThatWait(kClients, {.workers = 1, .queue_time_max = std::chrono::hours(1)});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<TestClient>(port()));
    clients.back()->Send(PostBytes(kOnline, kRead));
  }
  AwaitReads(kAtOnce);
  const std::string waiting = "salver_queue_length{queue=\"reads\"} " + std::to_string(kClients - kAtOnce);
  while (Metrics().find(waiting) == std::string::npos) std::this_thread::yield();
  EXPECT_EQ(reads_, kAtOnce);
  gate_.Open();
  for (const auto& client : clients) EXPECT_EQ(client->Receive()->body, kAnswer);
  EXPECT_EQ(passed_, kClients);
}

TEST_F(WaitingStoreTest, AServerThatStopsAnswersWhatStillWaits) {
  ServeReadsThatWait(2);
  TestClient first(port());
  auto second = std::make_unique<TestHttp2Client>(port());
  first.Send(PostBytes(kOnline, kRead));
  const int call = second->BeginGrpc(kGrpcRead, GrpcRanking());
  AwaitReads(2);
  std::thread stopping([this] { server_->Stop(); });
  second->AwaitGoaway();  // it is stopping, then
  gate_.Open();
  EXPECT_EQ(first.Receive()->body, kAnswer);
  EXPECT_EQ(second->Await(call).grpc_status(), "0");
  second.reset();
  stopping.join();
}

TEST_F(WaitingStoreTest, AClientThatGivesUpTakesNothingFromTheOtherCallsOfItsConnection) {
  ServeReadsThatWait(2);
  TestHttp2Client client(port());
  const int given_up = client.BeginGrpc(kGrpcRead, GrpcRanking());
  const int awaited = client.BeginGrpc(kGrpcRead, GrpcRanking());
  AwaitReads(2);
  client.Reset(given_up);
  EXPECT_EQ(client.Grpc(kGrpcRead, GrpcRanking()).grpc_status(), "0") << "the reset has been read before it";
  gate_.Open();
  EXPECT_EQ(client.Await(awaited).grpc_status(), "0");
  EXPECT_EQ(passed_, 2) << "what was begun is done all the same";
}

TEST_F(WaitingStoreTest, AConnectionThatIsGoneWhileItWaitsCostsTheOthersNothing) {
  ServeReadsThatWait(2);
  {
    TestClient over_http(port());
    TestHttp2Client over_grpc(port());
    over_http.Send(PostBytes(kOnline, kRead));
    over_grpc.BeginGrpc(kGrpcRead, GrpcRanking());
    AwaitReads(2);
  }
  EXPECT_EQ(TestClient(port()).Post(kOnline, kRead).body, kAnswer);
  gate_.Open();
  server_->Stop();
  EXPECT_EQ(passed_, 2);
}

TEST_F(WaitingStoreTest, AThreadWithoutALoopSleeps) {
  EXPECT_FALSE(gate_.Wait(Clock::now() + milliseconds(5)));
  gate_.Open();
  EXPECT_TRUE(gate_.Wait(Clock::time_point::max()));
}

}  // namespace
}  // namespace salver
