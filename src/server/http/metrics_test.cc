// What /metrics says after requests whose numbers are known.
#include <gtest/gtest.h>

#include <thread>

#include "server/http/metrics.h"
#include "server/serving_fixture.h"

namespace salver {
namespace {

using MetricsTest = ServingFixture;
constexpr std::string_view kOnline = "/get-online-features";

// The value of the sample whose line begins with `name`; -1 when there is none.
double Sample(const std::string& text, const std::string& name) {
  const size_t at = ("\n" + text).find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 1));
}

// Once it had a new set of counters, of a hundred kilobytes, at each turn.
TEST(ThreadCountersTest, AThreadThatCountsForTwoServersInTurnHasOneSetOfEach) {
  Metrics one, other;
  for (int i = 0; i < 3; ++i) {
    one.CountEntities(1);
    other.CountEntities(2);
  }
  std::thread([&] { one.CountEntities(1); }).join();
  for (const auto& [metrics, expected] : {std::pair(&one, std::vector<uint64_t>{3, 1}), {&other, {3}}}) {
    std::vector<uint64_t> counts;
    metrics->ForEachThread(
        [&](const ThreadMetrics& thread) { counts.push_back(thread.online_requests.value()); });
    EXPECT_EQ(counts, expected);
  }
}

TEST_F(MetricsTest, CountsWhatWasAskedAndWhatWasFound) {
  Serve({.workers = 2});
  for (int i = 0; i < 2; ++i) {  // connections are dealt to the loops in turn
    TestClient client(port());
    client.Post(kOnline, kRead);
    client.Post(kOnline, R"({"features":["stats:score","totals:total"],"entities":{"driver_id":[1,7,8]}})");
  }
  TestClient client(port());
  client.Post(kOnline, "{}");
  const TestAnswer metrics = client.Get("/metrics");
  EXPECT_EQ(metrics.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const std::string requests = "feast_feature_server_request_total{endpoint=\"/get-online-features\",status=";
  const std::string statuses = "feast_online_features_status_total{feature_view=";
  const std::string latency =
      "feast_feature_server_request_latency_seconds_count{endpoint=\"/get-online-features\",feature_count=";
  for (const auto& [name, value] : std::map<std::string, double>{
           {requests + "\"success\"}", 4},
           {requests + "\"error\"}", 1},
           {latency + "\"1-10\",feature_view_count=\"1\"}", 2},
           {latency + "\"1-10\",feature_view_count=\"2\"}", 2},
           {latency + "\"\",feature_view_count=\"\"}", 1},
           {"feast_online_features_request_total", 4},
           {"feast_online_features_entity_count_sum", 10},
           {"feast_online_features_entity_count_bucket{le=\"1\"}", 0},
           {"feast_online_features_entity_count_bucket{le=\"5\"}", 4},
           {"feast_feature_server_online_store_read_duration_seconds_count", 4},
           {statuses + "\"stats\",status=\"present\"}", 2 * (6 + 1)},
           {statuses + "\"stats\",status=\"not_found\"}", 2 * 2},
           {statuses + "\"totals\",status=\"not_found\"}", 2 * 3},
           {"salver_online_store_read_seconds_count{feature_view=\"stats\",store=\"lmdb\"}", 4},
           {"salver_online_store_read_seconds_count{feature_view=\"totals\",store=\"lmdb\"}", 2},
           {"salver_queue_length{queue=\"writes\"}", 0},
           {"salver_registry_up", 1},
           {"salver_registry_feature_views", 2}}) {
    EXPECT_EQ(Sample(metrics.body, name), value) << name << "\n" << metrics.body;
  }
  EXPECT_GT(Sample(metrics.body, "salver_resident_memory_bytes"), 1 << 20);
  const std::string version((*store_->Snapshot())->version_id());
  EXPECT_EQ(Sample(metrics.body, "salver_registry_info{project=\"rides\",version=\"" + version + "\"}"), 1);
}

TEST_F(MetricsTest, CountsWritesByViewAndPushesBySourceAndTarget) {
  Serve();
  TestClient client(port());
  const std::string frame =
      R"("df":{"driver_id":[5],"score":[1.5],"trips":[1],"city":["Bonn"],"total":[2],"event_timestamp":["2026-01-03T00:00:00"]})";
  EXPECT_EQ(client.Post("/push", "{\"push_source_name\":\"stats_push\"," + frame + "}").status, 200);
  EXPECT_EQ(client.Post("/write-to-online-store", "{\"feature_view_name\":\"stats\"," + frame + "}").status,
            200);
  EXPECT_NE(
      client.Post("/write-to-online-store", R"({"feature_view_name":"stats","df":{"driver_id":[5]}})").status,
      200);
  EXPECT_NE(client.Post("/push", R"({"push_source_name":"nobody","df":{"driver_id":[5]}})").status, 200);
  const std::string text = client.Get("/metrics").body;
  EXPECT_EQ(Sample(text, "feast_push_request_total{push_source=\"stats_push\",mode=\"online\"}"), 1) << text;
  EXPECT_EQ(Sample(text, "salver_online_write_total{feature_view=\"stats\",status=\"success\"}"), 2) << text;
  EXPECT_EQ(Sample(text, "salver_online_write_total{feature_view=\"stats\",status=\"error\"}"), 1) << text;
  EXPECT_EQ(Sample(text, "salver_online_write_total{feature_view=\"totals\",status=\"success\"}"), 1) << text;
  EXPECT_EQ(Sample(text, "salver_online_store_write_seconds_count{feature_view=\"stats\",store=\"lmdb\"}"), 3)
      << text;
  EXPECT_EQ(text.find("nobody"), std::string::npos) << "names of clients make no series";
}

TEST_F(MetricsTest, CountsMaterializationsByView) {
  store_->on_materialize = [] {};
  Serve();
  TestClient client(port());
  const std::string day = R"("start_ts":"2026-01-01T00:00:00","end_ts":"2026-01-02T00:00:00")";
  EXPECT_EQ(client.Post("/materialize", "{" + day + "}").status, 200);
  store_->on_materialize = nullptr;  // the source has no file
  EXPECT_NE(client.Post("/materialize", "{" + day + R"(,"feature_views":["stats"]})").status, 200);
  const std::string text = client.Get("/metrics").body;
  EXPECT_EQ(Sample(text, "feast_materialization_result_total{feature_view=\"stats\",status=\"failure\"}"), 1)
      << text;
  EXPECT_EQ(Sample(text, "feast_materialization_duration_seconds_count{feature_view=\"stats\"}"), 1) << text;
}

TEST_F(MetricsTest, APortOfTheirOwnServesNothingElse) {
  Serve({.metrics_port = 0});
  TestClient client(server_->metrics_port());
  EXPECT_EQ(client.Get("/metrics").status, 200);
  EXPECT_EQ(client.Post(kOnline, kRead).status, 404);
  EXPECT_EQ(client.Get("/health").status, 404);
  EXPECT_EQ(TestClient(port()).Post(kOnline, kRead).body, kAnswer);
  server_->Stop();
}

// Counting makes no allocation and loses nothing, however many threads count and are read meanwhile.
TEST(ThreadMetricsTest, SumsWhatManyThreadsCountWhileItIsRead) {
  Metrics metrics;
  constexpr int kThreads = 4, kEach = 20'000;
  const auto total = [&] {
    uint64_t sum = 0;
    metrics.ForEachThread([&](const ThreadMetrics& thread) { sum += thread.online_requests.value(); });
    return sum;
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < kEach; ++j) metrics.CountEntities(3);
      });
    }
    for (uint64_t before = 0, now = 0; now < kThreads * kEach; before = now) {
      now = total();
      ASSERT_GE(now, before);
    }
  }
  EXPECT_EQ(total(), uint64_t{kThreads} * kEach);
}

TEST(ThreadMetricsTest, ViewsBeyondTheLimitAreCountedTogether) {
  ThreadMetrics metrics;
  for (size_t i = 0; i < ThreadMetrics::kViewsMax + 10; ++i)
    metrics.View("view" + std::to_string(i)).values[0].Add(1);
  ASSERT_EQ(metrics.view_count(), ThreadMetrics::kViewsMax + 1);
  EXPECT_EQ(metrics.view(ThreadMetrics::kViewsMax).view, "");
  EXPECT_EQ(metrics.view(ThreadMetrics::kViewsMax).values[0].value(), 10u);
  EXPECT_EQ(metrics.View("view7").values[0].value(), 1u);
}

}  // namespace
}  // namespace salver
