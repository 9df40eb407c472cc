// How fast the redis store reads, beside a client in C that sends the same commands in one pipeline and
// throws the answers away. Rows are written first, in Feast's layout.
//
//   salver_redis_read HOST PORT [views] [keys] [features] [seconds]
//
// Prints requests a second of both, taken in turns, and their ratio.
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "online/online_stores.h"
#include "online/redis/redis_read.h"
#include "salver/entity_key.h"

namespace salver {
namespace {

using Seconds = std::chrono::duration<double>;

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::shared_ptr<const FeatureView> MakeView(int number, int features) {
  auto view = std::make_shared<FeatureView>();
  view->name = "view_" + std::to_string(number);
  view->join_keys = {{.name = "id", .type = ValueType::kInt64}};
  for (int i = 0; i < features; ++i)
    view->features.push_back({.name = "feature_" + std::to_string(i), .type = ValueType::kDouble});
  return view;
}

void WriteRows(OnlineStore* store, const FeatureView& view, std::span<const std::string_view> keys) {
  const std::vector<int64_t> times(keys.size(), 1'700'000'000'000'000);
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const Field& feature : view.features) {
    arrow::DoubleBuilder builder;
    for (size_t row = 0; row < keys.size(); ++row)
      if (!builder.Append(double(row) / 7).ok()) std::exit(1);
    columns.push_back(*builder.Finish());
    fields.push_back(arrow::field(feature.name, arrow::float64()));
  }
  const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), int64_t(keys.size()), columns);
  Check(store->Write(view, {keys, times, {}, batch.get()}, Deadline::Never()).status());
}

// Requests a second of `request`, over about `seconds`.
template <typename Request>
double Rate(double seconds, const Request& request) {
  const auto start = std::chrono::steady_clock::now();
  int64_t done = 0;
  double passed = 0;
  while (passed < seconds) {
    for (int i = 0; i < 20; ++i, ++done) request();
    passed = Seconds(std::chrono::steady_clock::now() - start).count();
  }
  return double(done) / passed;
}

int Main(int count, char** words) {
  const auto number = [&](int at, int otherwise) { return count > at ? std::atoi(words[at]) : otherwise; };
  if (count < 3) {
    std::fprintf(stderr, "salver_redis_read HOST PORT [views] [keys] [features] [seconds]\n");
    return 2;
  }
  RedisOptions options;
  options.project = "bench";
  options.nodes = {{words[1], std::atoi(words[2])}};
  const int view_count = number(3, 3), key_count = number(4, 100), features = number(5, 10);
  const double seconds = number(6, 3);
  const auto store = NewRedisOnlineStore(options);

  const Field join_key{.name = "id", .type = ValueType::kInt64};
  const std::string prefix = EntityKeyEncoder::Make(std::span(&join_key, 1))->prefix();
  std::vector<std::string> encoded;
  for (int64_t id = 0; id < key_count; ++id) EntityKeyEncoder::AppendInt64(id, &encoded.emplace_back(prefix));
  const std::vector<std::string_view> keys(encoded.begin(), encoded.end());
  std::vector<ColumnId> columns;
  for (int i = 0; i < features; ++i) columns.push_back(ColumnId(i));
  std::vector<std::shared_ptr<const FeatureView>> views;
  std::vector<OnlineRead> reads;
  for (int i = 0; i < view_count; ++i) {
    views.push_back(MakeView(i, features));
    WriteRows(store.get(), *views.back(), keys);
    reads.push_back({views.back().get(), keys, columns});
  }

  // The same bytes that the store sends.
  const auto layout = redis::NewFeastLayout(0);
  const redis::NodeMap map{options.nodes, {}};
  const auto shares = redis::ReadPlan(reads, layout.get()).Compose(map, options.project);
  redisContext* const plain = redisConnect(words[1], options.nodes[0].port);
  if (plain == nullptr || plain->err != 0) return 1;
  const auto throw_away = [&] {
    redisAppendFormattedCommand(plain, shares[0].commands.data(), shares[0].commands.size());
    for (size_t i = 0; i < shares[0].targets.size(); ++i) {
      void* reply = nullptr;
      if (redisGetReply(plain, &reply) != REDIS_OK) std::exit(1);
      freeReplyObject(reply);
    }
  };
  const auto read = [&] { Check(store->Read(reads, Deadline::After(std::chrono::seconds(10))).status()); };
  read();
  throw_away();
  std::printf("%d views, %d keys, %d features: %zu commands of %zu bytes a request\n", view_count, key_count,
              features, shares[0].targets.size(), shares[0].commands.size());
  for (int round = 0; round < 3; ++round) {
    const double theirs = Rate(seconds, throw_away), ours = Rate(seconds, read);
    std::printf("thrown away %9.0f/s   salver %9.0f/s   ratio %.2f\n", theirs, ours, ours / theirs);
  }
  redisFree(plain);
  return 0;
}

}  // namespace
}  // namespace salver

int main(int count, char** words) {
  return salver::Main(count, words);
}
