// Everything that a request can get wrong, and that nothing of it changes what is stored.
#include <gtest/gtest.h>

#include <random>

#include "server/serving_fixture.h"

namespace salver {
namespace {

using BadRequestTest = ServingFixture;

struct BadRequest {
  const char* target;
  std::string body;
  int status;
  const char* says;  // part of the answer
};

std::string Nested(size_t depth) {
  return "{\"entities\":{\"driver_id\":" + std::string(depth, '[') + "1" + std::string(depth, ']') + "}}";
}

TEST_F(BadRequestTest, IsRefusedWithItsReasonAndChangesNothing) {
  const char* const kOnline = "/get-online-features";
  const char* const kPush = "/push";
  const char* const kWrite = "/write-to-online-store";
  const char* const kMaterialize = "/materialize";
  const char* const kIncremental = "/materialize-incremental";
  const BadRequest kRequests[] = {
      // JSON
      {kOnline, "", 422, "json_invalid"},
      {kOnline, "{", 422, "json_invalid"},
      {kOnline, "{\"a\":1}}", 422, "json_invalid"},
      {kOnline, "not json", 422, "json_invalid"},
      {kOnline, "{'features':[]}", 422, "json_invalid"},
      {kOnline, std::string("{\"a\":\"\0\"}", 9), 422, "json_invalid"},
      {kOnline, "{\"a\":\"\xff\xfe\"}", 422, "json_invalid"},
      {kOnline, "{\"a\":\"\\ud800\"}", 422, "json_invalid"},
      {kOnline, "[]", 422, "valid dictionary"},
      {kOnline, "null", 422, "valid dictionary"},
      {kOnline, "7", 422, "valid dictionary"},
      {kOnline, Nested(31), 422, "json_invalid"},
      {kOnline, Nested(100'000), 422, "json_invalid"},
      {kOnline, R"({"entities":{"driver_id":[01]}})", 500, "number"},
      {kOnline, R"({"entities":{"driver_id":[123456789012345678901234567890]}})", 500, "out of range"},
      {kOnline, R"({"entities":{"driver_id":[1e999]}})", 500, "out of range"},
      // Shape
      {kOnline, "{}", 422, "Field required"},
      {kOnline, R"({"features":["stats:score"]})", 422, "Field required"},
      {kOnline, R"({"features":"stats:score","entities":{"driver_id":[1]}})", 422, "valid list"},
      {kOnline, R"({"features":[1],"entities":{"driver_id":[1]}})", 422, "valid string"},
      {kOnline, R"({"features":["stats:score",null],"entities":{"driver_id":[1]}})", 422, "valid string"},
      {kOnline, R"({"feature_service":7,"entities":{"driver_id":[1]}})", 422, "valid string"},
      {kOnline, R"({"feature_service":"ranking","entities":[1]})", 422, "valid dict"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":1}})", 422, "valid list"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[[1]]}})", 422, "scalar"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[{}]}})", 422, "scalar"},
      {kOnline, R"({"feature_service":"ranking","full_feature_names":"x","entities":{"driver_id":[1]}})", 422,
       "valid bool"},
      // Names
      {kOnline, R"({"entities":{"driver_id":[1]}})", 500, "feature"},
      {kOnline, R"({"features":[],"entities":{"driver_id":[1]}})", 500, "feature"},
      {kOnline, R"({"features":["score"],"entities":{"driver_id":[1]}})", 500, "score"},
      {kOnline, R"({"features":[""],"entities":{"driver_id":[1]}})", 500, "feature"},
      {kOnline, R"({"features":["stats:"],"entities":{"driver_id":[1]}})", 500, "stats"},
      {kOnline, R"({"features":[":score"],"entities":{"driver_id":[1]}})", 500, "view:feature"},
      {kOnline, R"({"features":["stat:score"],"entities":{"driver_id":[1]}})", 404, "stats"},
      {kOnline, R"({"features":["stats:scores"],"entities":{"driver_id":[1]}})", 500, "score"},
      {kOnline, R"({"features":["stats:score","stats:score"],"entities":{"driver_id":[1]}})", 500,
       "FeatureNameCollisionError"},
      {kOnline, R"({"features":["stats:trips","totals:trips"],"entities":{"driver_id":[1]}})", 500,
       "FeatureNameCollisionError"},
      {kOnline, R"({"feature_service":"rankin","entities":{"driver_id":[1]}})", 404, "ranking"},
      {kOnline, R"({"feature_service":"ranking","features":["stats:score"],"entities":{"driver_id":[1]}})",
       500, "Give one of them"},
      // Entity rows
      {kOnline, R"({"feature_service":"ranking","entities":{}})", 500, "no entity rows"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[]}})", 500, "empty"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver":[1]}})", 500, "driver_id"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[1,2],"x":[1]}})", 500, "rows"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[null]}})", 500, "null"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":["one"]}})", 500, "one"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[""]}})", 500, "driver_id"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[18446744073709551615]}})", 500,
       "INT64"},
      {kOnline, R"({"feature_service":"ranking","entities":{"driver_id":[1e300]}})", 500, "INT64"},
      // push
      {kPush, "{}", 422, "push_source_name"},
      {kPush, R"({"push_source_name":"stats_push"})", 422, "df"},
      {kPush, R"({"push_source_name":"stats_push","df":[]})", 422, "valid dict"},
      {kPush, R"({"push_source_name":"stats_push","df":{"driver_id":3}})", 500, "list"},
      {kPush, R"({"push_source_name":"stats_pus","df":{"driver_id":[3]}})", 422, "stats_push"},
      {kPush, R"({"push_source_name":"stats_push","df":{},"to":"everywhere"})", 500, "everywhere"},
      {kPush, R"({"push_source_name":"stats_push","df":{"driver_id":[1]},"to":"offline"})", 500, "stats"},
      {kPush, R"({"push_source_name":"stats_push","df":{"driver_id":[1,2],"trips":[1]}})", 500, "rows"},
      // "stats" has all it needs here, "totals" lacks a feature: neither is written.
      {kPush,
       R"({"push_source_name":"stats_push","df":{"driver_id":[1],"score":[9],"trips":[9],"city":["X"],)"
       R"("event_timestamp":["2026-05-01T00:00:00Z"]}})",
       500, "total"},
      {kPush,
       R"({"push_source_name":"stats_push","df":{"driver_id":[1],"score":[9],"trips":[9],"city":["X"],"total":["x"],)"
       R"("event_timestamp":["2026-05-01T00:00:00Z"]}})",
       500, "total"},
      // write-to-online-store
      {kWrite, "{}", 422, "feature_view_name"},
      {kWrite, R"({"feature_view_name":"stats"})", 422, "df"},
      {kWrite, R"({"feature_view_name":"stat","df":{"driver_id":[1]}})", 404, "stats"},
      {kWrite, R"({"feature_view_name":"stats","df":{"driver_id":[1]}})", 500, "score"},
      {kWrite,
       R"({"feature_view_name":"stats","df":{"driver_id":[null],"score":[9],"trips":[9],"city":["X"],)"
       R"("event_timestamp":["2026-05-01T00:00:00Z"]}})",
       500, "null"},
      {kWrite,
       R"({"feature_view_name":"stats","df":{"driver_id":["x"],"score":[9],"trips":[9],"city":["X"],)"
       R"("event_timestamp":["2026-05-01T00:00:00Z"]}})",
       500, "driver_id"},
      {kWrite,
       R"({"feature_view_name":"stats","df":{"driver_id":[1],"score":["high"],"trips":[9],"city":["X"],)"
       R"("event_timestamp":["2026-05-01T00:00:00Z"]}})",
       500, "score"},
      {kWrite,
       R"({"feature_view_name":"stats","df":{"driver_id":[1],"score":[9],"trips":[[9]],"city":["X"],)"
       R"("event_timestamp":["2026-05-01T00:00:00Z"]}})",
       500, "trips"},
      {kWrite,
       R"({"feature_view_name":"stats","df":{"driver_id":[1],"score":[9],"trips":[9],"city":["X"],)"
       R"("event_timestamp":[null]}})",
       500, "event_timestamp"},
      {kWrite,
       R"({"feature_view_name":"stats","df":{"driver_id":[1],"score":[9],"trips":[9],"city":["X"],)"
       R"("event_timestamp":["yesterday"]}})",
       500, "yesterday"},
      // materialize
      {kMaterialize, "{}", 500, "start_ts"},
      {kMaterialize, R"({"start_ts":"2026-01-01T00:00:00"})", 500, "end_ts"},
      {kMaterialize, R"({"start_ts":"2026-01-02T00:00:00","end_ts":"2026-01-01T00:00:00"})", 500, "before"},
      {kMaterialize, R"({"start_ts":"soon","end_ts":"2026-01-01T00:00:00"})", 500, "soon"},
      {kMaterialize, R"({"start_ts":"2026-13-01T00:00:00","end_ts":"2026-14-01T00:00:00"})", 500, "2026-14"},
      {kMaterialize, R"({"start_ts":1,"end_ts":2})", 422, "valid string"},
      {kMaterialize,
       R"({"start_ts":"2026-01-01T00:00:00","end_ts":"2026-01-02T00:00:00","feature_views":["stat"]})", 404,
       "stats"},
      {kMaterialize,
       R"({"start_ts":"2026-01-01T00:00:00","end_ts":"2026-01-02T00:00:00","feature_views":"stats"})", 422,
       "valid list"},
      {kMaterialize,  // its file is not there
       R"({"start_ts":"2026-01-01T00:00:00","end_ts":"2026-01-02T00:00:00","feature_views":["stats"]})", 500,
       "stats.parquet"},
      {kIncremental, "{}", 422, "end_ts"},
      {kIncremental, R"({"end_ts":"never"})", 500, "never"},
      // Routes
      {"/get-online-feature", "{}", 404, "Not Found"},
      {"/", "{}", 404, "Not Found"},
      {"/health", "{}", 405, "Method Not Allowed"},
      {"/get-online-features/../push", "{}", 404, "Not Found"},
  };
  Serve();
  TestClient client(port());
  ASSERT_EQ(client.Post(kOnline, kRead).body, kAnswer);
  for (const BadRequest& request : kRequests) {
    SCOPED_TRACE(std::string(request.target) + " " + request.body.substr(0, 200));
    const TestAnswer answer = client.Post(request.target, request.body);
    EXPECT_EQ(answer.status, request.status) << answer.body;
    EXPECT_NE(answer.body.find(request.says), std::string::npos) << answer.body;
    EXPECT_EQ(client.Post(kOnline, kRead).body, kAnswer);
  }
}

struct BadBytes {
  const char* name;
  std::string bytes;
  int status;  // 0: closed without an answer
};

TEST_F(BadRequestTest, BytesThatAreNoHttpAreRefusedAndTheConnectionEnds) {
  const std::string kHost = " HTTP/1.1\r\nHost: x\r\n";
  const BadBytes kBytes[] = {
      {"garbage", "hello\r\n\r\n", 400},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01", 8), 400},
      {"half of HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSMALL\r\n\r\n", 400},
      {"unknown method", "BREW /health HTTP/1.1\r\n\r\n", 400},
      {"bad version", "GET /health HTTP/7.3\r\n\r\n", 400},
      {"space in a header name", "GET /health" + kHost + "Bad Name: x\r\n\r\n", 400},
      {"null in a header", "GET /health" + kHost + std::string("A: \0\r\n\r\n", 8), 400},
      {"length twice", "POST /push" + kHost + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
      {"length and chunks",
       "POST /push" + kHost + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"negative length", "POST /push" + kHost + "Content-Length: -1\r\n\r\n", 400},
      {"length is no number", "POST /push" + kHost + "Content-Length: two\r\n\r\n", 400},
      {"length overflows", "POST /push" + kHost + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"length over the limit", "POST /push" + kHost + "Content-Length: 4294967296\r\n\r\n", 413},
      {"bad chunk size", "POST /push" + kHost + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"head over the limit", "GET /health" + kHost + "A: " + std::string(40'000, 'a') + "\r\n\r\n", 431},
      {"target over the limit", "GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\n\r\n", 431},
  };
  Serve();
  for (const BadBytes& bad : kBytes) {
    SCOPED_TRACE(bad.name);
    TestClient client(port());
    const TestAnswer answer = client.Exchange(bad.bytes);
    EXPECT_EQ(answer.status, bad.status) << answer.body;
    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_NE(answer.body.find("detail"), std::string::npos) << answer.body;
    EXPECT_TRUE(client.AtEnd());
  }
  EXPECT_EQ(TestClient(port()).Post("/get-online-features", kRead).body, kAnswer);
}

// Good requests with a few bytes changed, cut or repeated.
TEST_F(BadRequestTest, DamagedRequestsNeverStopTheServer) {
  Serve({.idle_time_max = std::chrono::milliseconds(50)});
  const uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const std::string good[] = {
      PostBytes("/get-online-features", kRead),
      PostBytes("/get-online-features",
                R"({"features":["stats:score"],"entities":{"driver_id":["1",2.5,true]}})"),
      "POST /get-online-features HTTP/1.1\r\nTransfer-Encoding: "
      "chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n",
      "GET /metrics?x=1&async=true HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"};
  for (int i = 0; i < 400; ++i) {
    std::string bytes = good[random() % std::size(good)];
    for (uint32_t changes = 1 + random() % 4; changes > 0; --changes) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 8);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 16));
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      }
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + ", case " + std::to_string(i));
    TestClient client(port());
    client.Send(bytes);
    const auto answer = client.Receive();  // a request cut short is answered by the clock
    if (answer) {
      EXPECT_GE(answer->status, 200);
      EXPECT_LT(answer->status, 504);
    }
  }
  EXPECT_EQ(TestClient(port()).Post("/get-online-features", kRead).body, kAnswer);
}

}  // namespace
}  // namespace salver
