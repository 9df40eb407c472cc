// The gRPC door, and HTTP/2 under it, as clients see them: order, limits, deadlines, slow clients, stopping,
// and registry changes under load. Feast's own client is the judge in test/e2e/grpc_test.py.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "feast/serving/GrpcServer.pb.h"
#include "feast/serving/ServingService.pb.h"
#include "server/http/grpc_framing.h"
#include "server/http/grpc_messages.h"
#include "server/serving_fixture.h"
#include "server/test_http2_client.h"

namespace salver {
namespace {

using feast::serving::GetOnlineFeaturesRequest;
using feast::serving::GetOnlineFeaturesResponse;
using std::chrono::milliseconds;

constexpr std::string_view kMethod = "/feast.serving.ServingService/GetOnlineFeatures";
constexpr std::string_view kPush = "/GrpcFeatureServer/Push";

class GrpcTest : public ServingFixture {
 protected:
  static std::string Ranking(const std::vector<int64_t>& drivers) {
    GetOnlineFeaturesRequest request;
    request.set_feature_service("ranking");
    auto& column = (*request.mutable_entities())["driver_id"];
    for (const int64_t driver : drivers) column.add_val()->set_int64_val(driver);
    return request.SerializeAsString();
  }
  static GetOnlineFeaturesResponse Parsed(const TestHttp2Answer& answer) {
    GetOnlineFeaturesResponse response;
    EXPECT_EQ(answer.grpc_status(), "0") << answer.headers.at("grpc-message");
    const auto message = GrpcMessage(answer.body);
    EXPECT_TRUE(message.ok() && response.ParseFromString(std::string(*message)));
    return response;
  }
  static std::string Message(const TestHttp2Answer& answer) { return answer.headers.at("grpc-message"); }
  static TestHttp2Client::Headers Http(std::string method, std::string path) {
    return {{":method", std::move(method)},
            {":scheme", "http"},
            {":path", std::move(path)},
            {":authority", "test"},
            {"content-type", "application/json"}};
  }
  // What the store is kept busy with, until Release.
  void Hold() {
    store_->on_materialize = store_->on_write = [this] {
      std::unique_lock lock(mutex_);
      held_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
    };
  }
  void AwaitHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return held_; });
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, released_ = false;
};

constexpr std::string_view kDay = R"({"start_ts":"2026-01-01T00:00:00","end_ts":"2026-01-02T00:00:00"})";

TEST_F(GrpcTest, AnswersWhatTheStoreHolds) {
  Serve();
  TestHttp2Client client(port());
  const auto response = Parsed(client.Grpc(kMethod, Ranking({1, 3})));
  ASSERT_EQ(response.results_size(), 4);
  const auto& names = response.metadata().feature_names().val();
  EXPECT_EQ(std::vector<std::string>(names.begin(), names.end()),
            (std::vector<std::string>{"driver_id", "score", "trips", "city"}));
  EXPECT_EQ(response.results(0).values(1).int64_val(), 3);
  EXPECT_EQ(response.results(1).values(0).double_val(), 0.5);
  EXPECT_EQ(response.results(3).values(0).string_val(), "Oslo");
  EXPECT_EQ(response.results(3).event_timestamps(0).seconds(), 1767225600);
  EXPECT_EQ(response.results(3).values(1).val_case(), feast::types::Value::VAL_NOT_SET);
  EXPECT_EQ(response.results(3).statuses(1), feast::serving::NOT_FOUND);
}

TEST_F(GrpcTest, AnswersManyCallsOfOneConnectionEachItsOwn) {
  Serve();
  TestHttp2Client client(port());
  std::map<int, int64_t> asked;
  for (int64_t i = 0; i < 1000; ++i) asked[client.BeginGrpc(kMethod, Ranking({i}))] = i;
  for (const auto& [stream, driver] : asked) {
    ASSERT_EQ(Parsed(client.Await(stream)).results(0).values(0).int64_val(), driver);
  }
}

TEST_F(GrpcTest, ReadsACallThatComesAByteAtATime) {
  Serve();
  TestHttp2Client client(port(), 1);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(Parsed(client.Grpc(kMethod, Ranking({1}))).results(3).values(0).string_val(), "Oslo");
}

TEST_F(GrpcTest, OtherRequestsTakeTheirRoute) {
  Serve();
  TestHttp2Client client(port());
  const auto read = client.Await(client.Begin(Http("POST", "/get-online-features"), kRead));
  EXPECT_EQ(read.headers.at(":status"), "200");
  EXPECT_EQ(read.headers.at("content-length"), std::to_string(kAnswer.size()));
  EXPECT_EQ(read.body, kAnswer);
  EXPECT_EQ(client.Await(client.Begin(Http("GET", "/nothing"), "")).headers.at(":status"), "404");
  const auto head = client.Await(client.Begin(Http("HEAD", "/nothing"), ""));
  EXPECT_EQ(head.headers.at(":status"), "404");
  EXPECT_EQ(head.body, "");
}

TEST_F(GrpcTest, RefusesWhatIsNoMessage) {
  Serve();
  TestHttp2Client client(port());
  EXPECT_EQ(client.Grpc("/no.such/Method", "").grpc_status(), "12");
  EXPECT_EQ(client.Grpc(kMethod, "\x0a\xff").grpc_status(), "3");
  EXPECT_EQ(client.Grpc(kPush, "\xff").grpc_status(), "3");
  auto headers = Http("POST", std::string(kMethod));
  headers.back().second = "application/grpc+proto";
  const std::string whole = std::string("\0\0\0\0\2xx", 7);
  EXPECT_EQ(client.Await(client.Begin(headers, "")).grpc_status(), "3");
  EXPECT_EQ(client.Await(client.Begin(headers, whole.substr(0, 6))).grpc_status(), "3");
  EXPECT_EQ(client.Await(client.Begin(headers, whole + whole)).grpc_status(), "3");
  EXPECT_EQ(client.Await(client.Begin(headers, "\1" + whole.substr(1))).grpc_status(), "12");
  headers.back().second = "application/grpc-web";
  EXPECT_EQ(client.Await(client.Begin(headers, whole)).headers.at(":status"), "404");
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
}

TEST_F(GrpcTest, RefusesABodyOverTheLimitWhileItIsStillSent) {
  Serve({.body_bytes_max = 1000});
  TestHttp2Client client(port());
  EXPECT_EQ(client.Grpc(kMethod, std::string(1000, '\0')).grpc_status(), "3");  // read, and no message
  const auto over = client.Grpc(kMethod, std::string(1001, '\0'));
  EXPECT_EQ(over.grpc_status(), "8");
  EXPECT_NE(Message(over).find("1000 bytes"), std::string::npos);
  const int endless = client.Begin(Http("POST", "/push"), std::string(2000, 'x'), false);
  const auto answer = client.Await(endless);
  EXPECT_EQ(answer.headers.at(":status"), "413");
  EXPECT_EQ(answer.reset, 0u);  // ended without blame, so that the answer counts
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
}

TEST_F(GrpcTest, RefusesAHeadOverTheLimit) {
  Serve({.head_bytes_max = 1000});
  TestHttp2Client client(port());
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1}), {{"x", std::string(1000, 'x')}}).grpc_status(), "8");
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
}

TEST_F(GrpcTest, TheDeadlineOfTheClientIsKept) {
  Serve();
  TestHttp2Client client(port());
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1}), {{"grpc-timeout", "0m"}}).grpc_status(), "4");
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1}), {{"grpc-timeout", "1H"}}).grpc_status(), "0");
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1}), {{"grpc-timeout", "soon"}}).grpc_status(), "0");
}

TEST_F(GrpcTest, AWriteWhoseTimeIsOverBeforeItsTurnIsNotDone) {
  Hold();
  Serve();
  TestHttp2Client client(port());
  PushRequest push;
  push.set_stream_feature_view("stats_push");
  push.set_to("online");
  for (const char* name : {"driver_id", "score", "trips", "total"})
    (*push.mutable_typed_features())[name].set_int64_val(77);
  (*push.mutable_typed_features())["city"].set_string_val("late");
  (*push.mutable_typed_features())["event_timestamp"].set_unix_timestamp_val(1'800'000'000);
  PushRequest other = push;
  (*other.mutable_typed_features())["driver_id"].set_int64_val(76);
  // Both threads for writes are taken.
  const int first = client.BeginGrpc(kPush, other.SerializeAsString());
  const int second = client.BeginGrpc(kPush, other.SerializeAsString());
  AwaitHeld();
  const int late = client.BeginGrpc(kPush, push.SerializeAsString(), {{"grpc-timeout", "1m"}});
  client.Grpc(kMethod, Ranking({1}));  // the push has come when this is answered: its time runs
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < milliseconds(2)) client.Grpc(kMethod, Ranking({1}));
  Release();
  EXPECT_EQ(client.Await(first).grpc_status(), "0");
  EXPECT_EQ(client.Await(second).grpc_status(), "0");
  EXPECT_EQ(client.Await(late).grpc_status(), "4");
  EXPECT_EQ(Parsed(client.Grpc(kMethod, Ranking({77}))).results(3).statuses(0), feast::serving::NOT_FOUND);
  EXPECT_EQ(client.Grpc(kPush, push.SerializeAsString()).grpc_status(), "0");
  EXPECT_EQ(Parsed(client.Grpc(kMethod, Ranking({77}))).results(3).values(0).string_val(), "late");
}

TEST_F(GrpcTest, ACallThatIsTakenBackHarmsNoOther) {
  Hold();
  Serve();
  TestHttp2Client client(port());
  const int taken_back = client.Begin(Http("POST", "/materialize"), kDay);
  AwaitHeld();
  client.Reset(taken_back);
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
  Release();
  for (int i = 0; i < 300; ++i) client.Reset(client.BeginGrpc(kMethod, Ranking({1})));
  EXPECT_EQ(client.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
}

TEST_F(GrpcTest, ACallThatDoesNotComeToItsEndIsTimedOut) {
  Serve({.idle_time_max = milliseconds(30)});
  TestHttp2Client client(port());
  auto headers = Http("POST", std::string(kMethod));
  headers.back().second = "application/grpc";
  const auto half = client.Await(client.Begin(headers, "half", false));
  EXPECT_EQ(half.grpc_status(), "4");
  EXPECT_NE(Message(half).find("not complete in time"), std::string::npos);
}

TEST_F(GrpcTest, AConnectionThatAsksNothingIsEndedInOrder) {
  Serve({.idle_time_max = milliseconds(20)});
  TestHttp2Client client(port());
  client.AwaitGoaway();
  client.AwaitEnd();
}

TEST_F(GrpcTest, AClientThatTakesNoAnswersIsClosedAndHoldsUpNobody) {
  Serve({.workers = 1, .idle_time_max = milliseconds(1000)});
  TestHttp2Client slow(port());
  slow.socket().SetReceiveBuffer(4096);
  for (int i = 0; i < 100; ++i) slow.BeginGrpc(kMethod, Ranking(std::vector<int64_t>(20'000, 1)));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(TestHttp2Client(port()).Grpc(kMethod, Ranking({1})).grpc_status(), "0");
  try {
    slow.AwaitSilentEnd();
  } catch (const std::runtime_error& reset) {
    EXPECT_NE(std::string(reset.what()).find("receive"), std::string::npos);
  }
  EXPECT_EQ(TestHttp2Client(port()).Grpc(kMethod, Ranking({1})).grpc_status(), "0");
}

TEST_F(GrpcTest, BytesThatAreNoFramesEndTheConnectionAlone) {
  Serve();
  TestHttp2Client other(port());
  EXPECT_EQ(other.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
  std::mt19937 random(20261121);
  SCOPED_TRACE("seed 20261121");
  for (int i = 0; i < 100; ++i) {
    TestHttp2Client bad(port());
    std::string bytes(random() % 200 + 50, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    bytes[0] = 0x7f;  // a frame longer than any that is taken
    bad.socket().Send(bytes);
    bad.AwaitGoaway();
    bad.AwaitEnd();
  }
  EXPECT_EQ(other.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
}

TEST_F(GrpcTest, StopFinishesACallThatHasBegun) {
  Hold();
  Serve();
  TestHttp2Client client(port());
  const int begun = client.Begin(Http("POST", "/materialize"), kDay);
  AwaitHeld();
  std::jthread stop([this] { server_->Stop(); });
  client.AwaitGoaway();
  Release();
  EXPECT_EQ(client.Await(begun).headers.at(":status"), "200");
  client.AwaitEnd();
}

TEST_F(GrpcTest, StopUnderLoadAnswersEveryCallThatWasSentBeforeTheClientKnew) {
  Serve();
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      TestHttp2Client client(port());
      while (!client.told_to_go()) {
        std::vector<int> streams;
        for (int call = 0; call < 20; ++call) streams.push_back(client.BeginGrpc(kMethod, Ranking({1})));
        for (const int stream : streams) {
          ASSERT_EQ(client.Await(stream).grpc_status(), "0");
          ++answered;
        }
      }
    });
  }
  while (answered < 500) std::this_thread::yield();
  server_->Stop();
  for (std::thread& client : clients) client.join();
}

TEST_F(GrpcTest, StopDoesNotWaitForEverForAClientThatIsSilent) {
  Serve({.stop_time_max = milliseconds(20)});
  TestHttp2Client silent(port());
  EXPECT_EQ(silent.Grpc(kMethod, Ranking({1})).grpc_status(), "0");
  server_->Stop();
}

// Two definitions of one service take turns while clients ask for it. An answer shows one or the other.
TEST_F(GrpcTest, ARegistryChangeReachesClientsWithoutAMixedAnswer) {
  const std::string before(Definitions());
  std::string after = before;
  const std::string service = "features: [stats]";
  after.replace(after.find(service), service.size(), "features: [{stats: [city, score]}]");
  Serve();
  std::atomic<bool> ended{false};
  std::atomic<int> first{0}, turned{0};
  const auto ask = [&](TestHttp2Client& client) {
    const auto response = Parsed(client.Grpc(kMethod, Ranking({1})));
    const bool is_first = response.results_size() == 4;
    const int city = is_first ? 3 : 1;
    EXPECT_EQ(response.metadata().feature_names().val_size(), response.results_size());
    EXPECT_EQ(response.metadata().feature_names().val(city), "city");
    EXPECT_EQ(response.results(city).values(0).string_val(), "Oslo");
    EXPECT_EQ(response.results(is_first ? 1 : 2).values(0).double_val(), 0.5);
    ++(is_first ? first : turned);
    return is_first;
  };
  std::jthread reader([&] {
    TestHttp2Client client(port());
    while (!ended) ask(client);
  });
  TestHttp2Client client(port());
  for (int turn = 0; turn < 6; ++turn) {
    WriteDefinitions(turn % 2 == 0 ? after : before);
    ASSERT_TRUE(store_->Apply({.skip_source_validation = true}).ok());
    while (ask(client) != (turn % 2 == 1)) {
    }
  }
  ended = true;
  reader.join();
  EXPECT_GT(first, 0);
  EXPECT_GT(turned, 0);
}

TEST_F(GrpcTest, CallsAreCounted) {
  Serve();
  TestHttp2Client client(port());
  client.Grpc(kMethod, Ranking({1}));
  client.Grpc(kMethod, "\x0a\xff");
  const std::string metrics = TestClient(port()).Get("/metrics").body;
  EXPECT_NE(metrics.find("endpoint=\"" + std::string(kMethod) + "\",status=\"success\"} 1\n"),
            std::string::npos)
      << metrics;
  EXPECT_NE(metrics.find("endpoint=\"" + std::string(kMethod) + "\",status=\"error\"} 1\n"),
            std::string::npos);
}

TEST(GrpcFraming, TimeoutsAreReadAndBadOnesAreNone) {
  using std::chrono::microseconds;
  EXPECT_EQ(ParseGrpcTimeout("2H"), std::chrono::hours(2));
  EXPECT_EQ(ParseGrpcTimeout("3M"), std::chrono::minutes(3));
  EXPECT_EQ(ParseGrpcTimeout("4S"), std::chrono::seconds(4));
  EXPECT_EQ(ParseGrpcTimeout("99999999m"), milliseconds(99999999));
  EXPECT_EQ(ParseGrpcTimeout("5u"), microseconds(5));
  EXPECT_EQ(ParseGrpcTimeout("1999n"), microseconds(1));
  for (const char* bad : {"", "5", "S", "-5S", "5.5S", "123456789S", "5x", " 5S"})
    EXPECT_EQ(ParseGrpcTimeout(bad), std::nullopt) << bad;
}

TEST(GrpcFraming, TextsOfErrorsSurviveTheHeader) {
  EXPECT_EQ(GrpcMessageHeader("a \"b\" 100%\n\xc3\xa9"), "a \"b\" 100%25%0A%C3%A9");
}

// Cut anywhere and changed at random, a request is read or refused; nothing is read past its end.
TEST(GrpcMessages, AnyBytesGiveARequestOrAnError) {
  GetOnlineFeaturesRequest request;
  request.mutable_features()->add_val("stats:score");
  request.set_full_feature_names(true);
  auto& column = (*request.mutable_entities())["driver_id"];
  column.add_val()->set_int64_val(-5);
  column.add_val()->set_string_val("text");
  column.add_val()->set_float_val(0.5);
  column.add_val()->set_null_val(feast::types::NULL_);
  (*request.mutable_request_context())["at"].add_val()->set_bool_val(true);
  const std::string whole = request.SerializeAsString();
  const auto read = ReadOnlineRequest(whole);
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->online.entities.size(), 2u);
  const auto& values = read->online.entities[read->online.entities[0].name == "driver_id" ? 0 : 1].values;
  EXPECT_EQ(std::get<int64_t>(values[0]), -5);
  EXPECT_EQ(std::get<std::string_view>(values[1]), "text");
  EXPECT_EQ(std::get<double>(values[2]), 0.5);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(values[3]));
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const auto bytes = std::make_unique<char[]>(cut);  // so that a sanitizer sees a read past it
    whole.copy(bytes.get(), cut);
    (void)ReadOnlineRequest({bytes.get(), cut});
    (void)ReadWriteRequest({bytes.get(), cut}, GrpcWriteKind::kPush);
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    (void)ReadOnlineRequest(bytes);
    (void)ReadWriteRequest(bytes, GrpcWriteKind::kWriteToOnlineStore);
  }
}

}  // namespace
}  // namespace salver
