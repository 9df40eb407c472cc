// The server as clients see it: order, limits, slow clients, stopping, and registry changes under load.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "server/serving_fixture.h"
#include "test/dice.h"

namespace salver {
namespace {

using std::chrono::milliseconds;
using HttpServerTest = ServingFixture;

constexpr std::string_view kOnline = "/get-online-features";
constexpr std::string_view kDay = R"({"start_ts":"2026-01-01T00:00:00","end_ts":"2026-01-02T00:00:00"})";

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Serve();
  TestClient client(port());
  std::string bytes;
  for (int i = 0; i < 200; ++i) {
    bytes += PostBytes(
        kOnline, R"({"features":["stats:score"],"entities":{"driver_id":[)" + std::to_string(i) + "]}}");
  }
  std::jthread writer([&] { client.Send(bytes); });
  for (int i = 0; i < 200; ++i) {
    const auto answer = client.Receive();
    ASSERT_TRUE(answer && answer->status == 200);
    EXPECT_NE(answer->body.find("{\"values\":[" + std::to_string(i) + "]"), std::string::npos)
        << answer->body;
  }
  writer.join();
}

TEST_F(HttpServerTest, ReadsARequestThatComesInTwoPartsCutAnywhere) {
  Serve();
  TestClient client(port());
  const std::string whole =
      "POST /get-online-features HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n10\r\n" +
      std::string(kRead.substr(0, 16)) + "\r\n2c\r\n" + std::string(kRead.substr(16)) + "\r\n0\r\n\r\n";
  ASSERT_EQ(kRead.size(), 0x10 + 0x2c) << "the chunks above have the wrong length";
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    client.Send(std::string_view(whole).substr(0, cut));
    client.Send(std::string_view(whole).substr(cut));
    const auto answer = client.Receive();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->body, kAnswer) << "cut after " << cut;
  }
}

TEST_F(HttpServerTest, SendsContinueBeforeABodyThatWaitsForIt) {
  Serve();
  TestClient client(port());
  client.Send("POST /get-online-features HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: " +
              std::to_string(kRead.size()) + "\r\n\r\n");
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(client.ReceiveBytes(kContinue.size()), kContinue);
  EXPECT_EQ(client.Exchange(kRead).body, kAnswer);
}

TEST_F(HttpServerTest, StaysWithHttp1WhenAClientOffersAnotherProtocol) {
  Serve();
  TestClient client(port());
  const TestAnswer answer = client.Exchange(
      "POST /get-online-features HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAEAAEAA\r\nContent-Length: " +
      std::to_string(kRead.size()) + "\r\n\r\n" + std::string(kRead));
  EXPECT_EQ(answer.body, kAnswer);
  EXPECT_EQ(client.Get("/health").status, 200);
}

TEST_F(HttpServerTest, SendsNoBodyAfterHead) {
  Serve();
  TestClient client(port());
  client.Send("HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.Receive(false)->status, 404);
  EXPECT_EQ(client.Get("/health").status, 200);
}

TEST_F(HttpServerTest, ClosesWhenAskedTo) {
  Serve();
  TestClient newer(port()), older(port());
  EXPECT_EQ(newer.Exchange("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").headers.at("connection"),
            "close");
  EXPECT_TRUE(newer.AtEnd());
  EXPECT_EQ(older.Exchange("GET /health HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(older.AtEnd());
}

TEST_F(HttpServerTest, RefusesABodyOverTheLimitHoweverItComes) {
  Serve({.body_bytes_max = 1000});
  const std::string big(1001, ' ');
  TestClient announced(port()), chunked(port()), fits(port());
  EXPECT_EQ(announced.Exchange("POST /push HTTP/1.1\r\nContent-Length: 1001\r\n\r\n").status, 413);
  const TestAnswer answer = chunked.Exchange(
      "POST /push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + big + "\r\n0\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_NE(answer.body.find("1000 bytes"), std::string::npos) << answer.body;
  EXPECT_EQ(fits.Post("/push", big.substr(1)).status, 422);  // read to its end, and no JSON
}

TEST_F(HttpServerTest, TellsWhyWhileTheClientIsStillSending) {
  Serve({.body_bytes_max = 1000});
  TestClient client(port());
  client.Send("POST /push HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n");
  client.Send(std::string(4'000'000, 'x'));
  EXPECT_EQ(client.Receive()->status, 413);
}

TEST_F(HttpServerTest, RefusesMoreValuesThanARequestMayAskFor) {
  Serve();
  std::string ids = "1";
  for (int i = 0; i < 700'000; ++i) ids += ",1";
  TestClient client(port());
  const TestAnswer answer =
      client.Post(kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[)" + ids + "]}}");
  EXPECT_EQ(answer.status, 413) << answer.body.substr(0, 200);
  EXPECT_EQ(client.Post(kOnline, kRead).body, kAnswer);
}

TEST_F(HttpServerTest, ARequestOverItsTimeIsAnsweredWithTheReason) {
  Serve({.request_time_max = milliseconds(-1)});
  TestClient client(port());
  const TestAnswer answer = client.Post(kOnline, kRead);
  EXPECT_EQ(answer.status, 503) << answer.body;
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_NE(answer.body.find("stats"), std::string::npos) << answer.body;
}

TEST_F(HttpServerTest, RefusesAHeadOverTheLimit) {
  Serve({.head_bytes_max = 100});
  TestClient client(port());
  EXPECT_EQ(client.Get("/health?" + std::string(100, 'a')).status, 431);
}

TEST_F(HttpServerTest, RefusesConnectionsOverTheLimitAndTakesThemAgainLater) {
  Serve({.workers = 1, .connections_max = 2});
  auto first = std::make_unique<TestClient>(port());
  TestClient second(port());
  EXPECT_EQ(first->Get("/health").status, 200);
  EXPECT_EQ(second.Get("/health").status, 200);
  {
    TestClient third(port());
    const TestAnswer answer = third.Get("/health");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
    EXPECT_TRUE(third.AtEnd());
  }
  first.reset();
  for (int status = 0; status != 200;) status = TestClient(port()).Get("/health").status;
  EXPECT_EQ(second.Get("/health").status, 200);
}

TEST_F(HttpServerTest, ClosesIdleConnectionsAndAnswersHalfRequestsWith408) {
  Serve({.idle_time_max = milliseconds(30)});
  TestClient idle(port()), half_head(port()), half_body(port());
  half_head.Send("GET /hea");
  half_body.Send("POST /push HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_TRUE(idle.AtEnd());
  for (TestClient* client : {&half_head, &half_body}) {
    const auto answer = client->Receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 408);
    EXPECT_TRUE(client->AtEnd());
  }
}

// One limit for all the bytes: a byte now and then does not buy more time.
TEST_F(HttpServerTest, AClientThatDripsItsRequestIsCutOff) {
  Serve({.idle_time_max = milliseconds(60)});
  TestClient client(port());
  const auto start = std::chrono::steady_clock::now();
  std::atomic<bool> ended{false};
  std::jthread dripping([&] {
    for (client.Send("GET /health?"); !ended;) client.Send("a");
  });
  const auto answer = client.Receive();
  ended = true;
  dripping.join();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->status == 408 || answer->status == 431) << answer->status;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsCutOffAndHoldsUpNobody) {
  Serve({.workers = 1, .idle_time_max = milliseconds(200)});
  std::string ids = "1";
  for (int i = 0; i < 100'000; ++i) ids += ",1";
  TestClient deaf(port());
  deaf.SetReceiveBuffer(4096);
  deaf.Send(PostBytes(kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[)" + ids + "]}}"));
  EXPECT_EQ(TestClient(port()).Post(kOnline, kRead).body, kAnswer);
  // Until the server has given up on it, this client's connection counts.
  EXPECT_THROW(
      {
        // Read only after the limit has passed, as another client sees by being closed for idleness twice.
        EXPECT_TRUE(TestClient(port()).AtEnd());
        EXPECT_TRUE(TestClient(port()).AtEnd());
        deaf.Receive();
      },
      std::runtime_error);
}

// Materializations wait at this gate until the test opens it. It must outlive the server: Stop first.
class Gate {
 public:
  void Wait() {
    std::unique_lock lock(mutex_);
    arrived_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitArrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return arrived_; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool arrived_ = false, open_ = false;
};

// How many requests a queue of the server has, as it says itself.
int64_t QueueLength(TestClient* client, const std::string& queue) {
  const std::string text = client->Get("/metrics").body, name = "queue_length{queue=\"" + queue + "\"} ";
  return std::stoll(text.substr(text.find(name) + name.size()));
}

TEST_F(HttpServerTest, ReadsGoOnBesideASearchThatLooksAtEveryRow) {
  Gate gate;
  store_->on_search = [&] { gate.Wait(); };
  Serve({.workers = 1});
  TestClient searching(port()), client(port());
  searching.Send(PostBytes("/search", R"({"features":["stats:score"],"query":[1],"top_k":1})"));
  while (QueueLength(&client, "searches") == 0) {
    // It is on its way.
  }
  EXPECT_EQ(client.Post(kOnline, kRead).body, kAnswer);
  gate.Open();
  EXPECT_EQ(searching.Receive()->status, 500) << "the view has no vectors";
}

// The answer points into what the search found, also where its statuses are written.
TEST_F(HttpServerTest, ASearchAnswersWithTheStatusesOfTheRowsThatItFound) {
  WriteDefinitions(R"(
entities:
  - {name: item, join_keys: [item_id], value_type: INT64}
sources:
  - {name: docs_source, path: data/docs.parquet, timestamp_field: event_timestamp}
feature_views:
  - name: docs
    entities: [item]
    source: docs_source
    ttl: 1d
    schema: [{name: emb, dtype: Array(Float32), vector_index: true, vector_length: 2, vector_search_metric: L2}]
)");
  ASSERT_TRUE(store_->Apply({.skip_source_validation = true}).ok());
  Serve({.workers = 1});
  TestClient client(port());
  const std::string now = FormatTime(Clock::System()->NowMicros());
  ASSERT_EQ(
      client
          .Post(
              "/write-to-online-store",
              R"({"feature_view_name":"docs","df":{"item_id":[1,2],"emb":[[1,0],[0,1]],"event_timestamp":[")" +
                  now + "\",\"" + now + "\"]}}")
          .status,
      200);
  const std::string answer =
      client.Post("/search", R"({"features":["docs:emb"],"query":[1,0],"top_k":2})").body;
  EXPECT_NE(answer.find(R"("statuses":["PRESENT","PRESENT"],"event_timestamps":[")" + now + "\""),
            std::string::npos)
      << answer;
}

TEST_F(HttpServerTest, ReadsAndWritesGoOnBesideMaterializationsWhoseFullQueueAnswers503) {
  std::atomic<int> started{0};
  Gate gate;
  store_->on_materialize = [&] {
    ++started;
    gate.Wait();
  };
  Serve({.workers = 1, .pool_requests_max = 3});
  std::vector<std::unique_ptr<TestClient>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::make_unique<TestClient>(port()));
    waiting.back()->Send(PostBytes("/materialize", kDay));
  }
  TestClient client(port());
  while (QueueLength(&client, "materializations") < 3) {
    // The three are on their way still.
  }
  const TestAnswer refused = client.Post("/materialize", kDay);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(client.Post(kOnline, kRead).body, kAnswer);
  EXPECT_EQ(client.Post("/write-to-online-store", "{}").status, 422);
  gate.Open();
  for (const auto& one : waiting) EXPECT_EQ(one->Receive()->status, 200);
  EXPECT_EQ(started, 3);
  server_->Stop();
}

TEST_F(HttpServerTest, AsynchronousMaterializationIsAcceptedOnceAtATime) {
  Gate gate;
  store_->on_materialize = [&] { gate.Wait(); };
  Serve();
  TestClient client(port());
  EXPECT_EQ(client.Post("/materialize?async=true", kDay).body,
            R"({"status":"accepted","feature_views":["stats","totals"]})");
  gate.AwaitArrival();
  const TestAnswer again = client.Post("/materialize?async=true", kDay);
  EXPECT_EQ(again.status, 409);
  EXPECT_NE(again.body.find("\"feature_views\":[\"stats\",\"totals\"]"), std::string::npos) << again.body;
  gate.Open();
  while (client.Post("/materialize?async=true", kDay).status == 409) {
    // Until the first has let go of its views.
  }
  server_->Stop();
}

TEST_F(HttpServerTest, StopFinishesWhatHasBegun) {
  Gate gate;
  store_->on_materialize = [&] { gate.Wait(); };
  Serve({.stop_time_max = std::chrono::seconds(60)});
  TestClient slow(port()), half(port()), idle(port());
  EXPECT_EQ(idle.Get("/health").status, 200);
  const std::string request = PostBytes(kOnline, kRead);
  half.Send(request.substr(0, 80));
  slow.Send(PostBytes("/materialize", kDay));
  gate.AwaitArrival();
  std::jthread stopping([&] { server_->Stop(); });
  EXPECT_TRUE(idle.AtEnd());  // so the server is stopping now
  half.Send(request.substr(80));
  const auto read = half.Receive();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->body, kAnswer);
  EXPECT_EQ(read->headers.at("connection"), "close");
  EXPECT_TRUE(half.AtEnd());
  gate.Open();
  EXPECT_EQ(slow.Receive()->status, 200);
  EXPECT_TRUE(slow.AtEnd());
  stopping.join();
  EXPECT_THROW(TestClient(port()).Get("/health"), std::runtime_error);
}

TEST_F(HttpServerTest, StopDoesNotWaitForEverForBytesThatDoNotCome) {
  Serve({.stop_time_max = milliseconds(20)});
  TestClient half(port());
  half.Send("GET /hea");
  EXPECT_EQ(TestClient(port()).Get("/health").status, 200);
  server_->Stop();
  EXPECT_TRUE([&] {
    try {
      const auto answer = half.Receive();
      return !answer || answer->status == 408;
    } catch (const std::runtime_error&) {
      return true;  // accepted by the kernel only
    }
  }());
}

TEST_F(HttpServerTest, StopUnderLoadLosesNoAnswerThatHasBegun) {
  Serve();
  const int at = port();
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      TestClient client(at);
      for (;;) {
        if (!client.Send(PostBytes(kOnline, kRead))) return;
        std::optional<TestAnswer> answer;
        try {
          answer = client.Receive();
        } catch (const std::runtime_error& error) {
          // Closed between requests, before it read this one: never inside an answer.
          EXPECT_EQ(std::string(error.what()).find("inside"), std::string::npos) << error.what();
          return;
        }
        if (!answer) return;
        EXPECT_EQ(answer->body, kAnswer);
        ++answered;
        if (answer->headers.contains("connection")) return;
      }
    });
  }
  while (answered < 200) std::this_thread::yield();
  server_->Stop();
  for (std::thread& client : clients) client.join();
}

// Two definitions of one service take turns a thousand times while clients ask for it. An answer is of one or
// of the other to the byte.
TEST_F(HttpServerTest, AThousandRegistryChangesReachClientsWithoutAMixedAnswer) {
  const std::string before(Definitions());
  std::string after = before;
  const std::string service = "features: [stats]";
  after.replace(after.find(service), service.size(), "features: [{stats: [city, score]}]");
  constexpr std::string_view kTurned =
      R"({"results":[{"values":[1,2],"statuses":["PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},{"values":["Oslo","Rome"],"statuses":["PRESENT","PRESENT"],"event_timestamps":["2026-01-01T00:00:00Z","2026-01-02T00:00:00Z"]},{"values":[0.5,0.25],"statuses":["PRESENT","PRESENT"],"event_timestamps":["2026-01-01T00:00:00Z","2026-01-02T00:00:00Z"]}],"metadata":{"feature_names":["driver_id","city","score"]}})";
  Serve();
  auto other_process = FeatureStore::Open(folder_);
  ASSERT_TRUE(other_process.ok());
  std::atomic<bool> ended{false};
  std::atomic<int> first{0}, turned{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      TestClient client(port());
      while (!ended) {
        const TestAnswer answer = client.Post(kOnline, kRead);
        ASSERT_EQ(answer.status, 200) << answer.body;
        ASSERT_TRUE(answer.body == kAnswer || answer.body == kTurned) << answer.body;
        ++(answer.body == kAnswer ? first : turned);
      }
    });
  }
  TestClient client(port());
  const uint64_t turns = FromEnvironment("SALVER_REGISTRY_CHANGES", 1000);
  for (uint64_t turn = 0; turn < turns && !HasFatalFailure(); ++turn) {
    WriteDefinitions(turn % 2 == 0 ? after : before);
    // Twice in a hundred by another process, whose changes the server sees when it looks at the file, ten
    // times a second; else by the server's own store.
    FeatureStore& store = turn % 100 < 2 ? **other_process : *store_;
    const auto applied = store.Apply({.skip_source_validation = true});
    ASSERT_TRUE(applied.ok()) << applied.status().ToString();
    const std::string_view expected = turn % 2 == 0 ? kTurned : kAnswer;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (client.Post(kOnline, kRead).body != expected)
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "turn " << turn << " never reached clients";
  }
  ended = true;
  for (std::thread& one : clients) one.join();
  EXPECT_GT(first, 0);
  EXPECT_GT(turned, 0);
}

TEST_F(HttpServerTest, ReadsSeeWholeRowsWhileTheyAreWritten) {
  Serve();
  std::atomic<bool> ended{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      TestClient client(port());
      while (!ended) {
        const TestAnswer answer =
            client.Post(kOnline, R"({"features":["stats:trips","stats:city"],"entities":{"driver_id":[7]}})");
        ASSERT_EQ(answer.status, 200);
        // trips n comes with city "cn".
        const size_t trips = answer.body.find("{\"values\":[", answer.body.find("{\"values\":[") + 1) + 11;
        const std::string number = answer.body.substr(trips, answer.body.find(']', trips) - trips);
        const std::string city = number == "null" ? "null" : "\"c" + number + "\"";
        EXPECT_NE(answer.body.find("{\"values\":[" + city + "]"), std::string::npos) << answer.body;
      }
    });
  }
  TestClient writer(port());
  for (int i = 0; i < 60; ++i) {
    const std::string number = std::to_string(i);
    const TestAnswer answer =
        writer.Post("/write-to-online-store",
                    R"({"feature_view_name":"stats","df":{"driver_id":[7],"score":[1],"trips":[)" + number +
                        R"(],"city":["c)" + number + R"("],"event_timestamp":[)" +
                        std::to_string(1'800'000'000 + i) + "]}}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    const TestAnswer read =
        writer.Post(kOnline, R"({"features":["stats:trips"],"entities":{"driver_id":[7]}})");
    EXPECT_NE(read.body.find("{\"values\":[" + number + "]"), std::string::npos) << read.body;
  }
  ended = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(HttpServerTest, SaysWhyItCanNotListen) {
  Serve();
  const auto taken = HttpServer::Start(store_.get(), {.port = port()});
  ASSERT_FALSE(taken.ok());
  EXPECT_NE(taken.status().ToString().find("Address already in use"), std::string::npos);
  EXPECT_NE(taken.status().ToString().find("--port"), std::string::npos);
  EXPECT_FALSE(HttpServer::Start(store_.get(), {.host = "no address"}).ok());
  EXPECT_FALSE(HttpServer::Start(store_.get(), {.port = 70000}).ok());
}

}  // namespace
}  // namespace salver
