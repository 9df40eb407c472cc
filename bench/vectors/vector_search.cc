// Vector search in lmdb beside hnswlib alone and beside looking at every vector, in one run on the same
// vectors.
//
//   salver_vector_search FOLDER [--vectors N] [--length N] [--queries N] [--seed N]
//
// Prints one JSON object. Vectors are normally distributed without any structure: the hardest there are for a
// graph, and nothing to be had by luck. FOLDER is made for the store and should be empty.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>
#include <unordered_map>

#include "online/online_stores.h"
#include "online/vector_distance.h"
#include "salver/entity_key.h"

namespace {

using namespace salver;
using Clock = std::chrono::steady_clock;

constexpr size_t kTop = 10;

struct Options {
  size_t vectors = 100'000, length = 128, queries = 1000;
  unsigned seed = 1;
};

[[noreturn]] void Stop(const std::string& why) {
  std::fprintf(stderr, "error: %s\n", why.c_str());
  std::exit(1);
}
void Must(const Status& status) {
  if (!status.ok()) Stop(status.ToString());
}
void Must(const arrow::Status& status) {
  if (!status.ok()) Stop(status.ToString());
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<float> Random(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> element;
  std::vector<float> all(count);
  for (float& x : all) x = element(random);
  return all;
}

std::shared_ptr<const FeatureView> View(size_t length) {
  auto view = std::make_shared<FeatureView>();
  view->name = "documents";
  view->project = "p";
  view->join_keys = {{.name = "id", .type = ValueType::kInt64}};
  view->features = {{.name = "embedding", .type = ValueType::kFloatList}};
  view->features[0].vector_index = true;
  view->features[0].vector_length = static_cast<int>(length);
  return view;
}

std::string Key(const EntityKeyEncoder& encoder, int64_t id) {
  std::string key = encoder.prefix();
  EntityKeyEncoder::AppendInt64(id, &key);
  return key;
}

void Write(OnlineStore* store, const FeatureView& view, const std::vector<float>& vectors,
           const Options& options) {
  constexpr size_t kBatch = 10'000;
  const auto encoder = EntityKeyEncoder::Make(view.join_keys);
  for (size_t first = 0; first < options.vectors; first += kBatch) {
    const size_t count = std::min(kBatch, options.vectors - first);
    arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::FloatBuilder>());
    auto& elements = static_cast<arrow::FloatBuilder&>(*lists.value_builder());
    std::vector<std::string> keys;
    for (size_t i = 0; i < count; ++i) {
      keys.push_back(Key(*encoder, static_cast<int64_t>(first + i)));
      Must(lists.Append());
      Must(elements.AppendValues(vectors.data() + (first + i) * options.length,
                                 static_cast<int64_t>(options.length)));
    }
    const auto column = lists.Finish().ValueOrDie();
    const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("embedding", column->type())}),
                                                static_cast<int64_t>(count), {column});
    const std::vector<std::string_view> key_views(keys.begin(), keys.end());
    const std::vector<int64_t> event_us(count, 1);
    Must(store->Write(view, {key_views, event_us, {}, batch.get()}, Deadline::Never()).status());
  }
}

// What a way of searching found, and how fast.
struct Measured {
  double recall = 0, queries_per_second = 0;
};

// search(query, &ids) for every query, on `threads` threads.
template <typename Search>
Measured Measure(const std::vector<float>& queries, const std::vector<std::vector<int64_t>>& nearest,
                 const Options& options, size_t threads, const Search& search) {
  std::vector<size_t> hits(threads);
  const auto begin = Clock::now();
  std::vector<std::thread> workers;
  for (size_t worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker] {
      std::vector<int64_t> ids;
      for (size_t i = worker; i < options.queries; i += threads) {
        ids.clear();
        search(std::span(queries).subspan(i * options.length, options.length), &ids);
        for (const int64_t id : ids)
          hits[worker] += static_cast<size_t>(std::count(nearest[i].begin(), nearest[i].end(), id));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  const double seconds = SecondsSince(begin);
  size_t all = 0;
  for (const size_t one : hits) all += one;
  return {static_cast<double>(all) / static_cast<double>(options.queries * kTop),
          static_cast<double>(options.queries) / seconds};
}

void FindInAll(std::span<const float> query, const std::vector<float>& vectors, std::vector<int64_t>* ids) {
  const size_t count = vectors.size() / query.size();
  std::vector<std::pair<float, int64_t>> all(count);
  for (size_t i = 0; i < count; ++i)
    all[i] = {SquaredDistance(query.data(), vectors.data() + i * query.size(), query.size()),
              static_cast<int64_t>(i)};
  std::partial_sort(all.begin(), all.begin() + kTop, all.end());
  for (size_t i = 0; i < kTop; ++i) ids->push_back(all[i].second);
}

// hnswlib alone: the store's own graph, searched with the library's space for squared distances as its users
// have it, compiled for this processor.
struct Library {
  Library(const std::string& path, const std::vector<float>& vectors, const Options& options)
      : space(options.length), graph(&space, path), ids(graph.cur_element_count, -1) {
    // The store gave its numbers in the order of keys: a vector's first element says whose it is.
    std::unordered_map<float, int64_t> by_first;
    for (size_t i = 0; i < options.vectors; ++i)
      by_first[vectors[i * options.length]] = static_cast<int64_t>(i);
    for (size_t number = 0; number < ids.size(); ++number) {
      const auto* const vector = reinterpret_cast<const float*>(graph.getDataByInternalId(number));
      ids[number] = by_first.at(vector[0]);
    }
  }
  hnswlib::L2Space space;
  hnswlib::HierarchicalNSW<float> graph;
  std::vector<int64_t> ids;  // by the graph's numbers
};

void Print(const char* name, const Measured& measured) {
  std::printf(", \"%s\": {\"recall\": %.4f, \"queries_per_second\": %.1f}", name, measured.recall,
              measured.queries_per_second);
}

void Run(const std::string& folder, const Options& options) {
  const std::vector<float> vectors = Random(options.vectors * options.length, options.seed);
  const std::vector<float> queries = Random(options.queries * options.length, options.seed + 1);
  const auto view = View(options.length);
  auto store = OpenLmdbOnlineStore({.path = folder, .project = "p", .sync = false, .vector_index_from = 256});
  Must(store.status());
  const std::vector<std::shared_ptr<const FeatureView>> views = {view};
  Must((*store)->Apply(views, {}));
  auto begin = Clock::now();
  Write(store->get(), *view, vectors, options);
  const double write_seconds = SecondsSince(begin);
  const auto search = [&](std::span<const float> query, std::vector<int64_t>* ids) {
    const auto hits =
        (*store)->Search({.view = view.get(), .query = query, .top_k = kTop}, Deadline::Never());
    Must(hits.status());
    for (const std::string& key : hits->keys) {
      int64_t id;
      std::memcpy(&id, key.data() + key.size() - sizeof id, sizeof id);
      ids->push_back(id);
    }
  };
  std::vector<std::vector<int64_t>> nearest(options.queries);
  begin = Clock::now();
  for (size_t i = 0; i < options.queries; ++i)
    FindInAll(std::span(queries).subspan(i * options.length, options.length), vectors, &nearest[i]);
  const double all_seconds = SecondsSince(begin);
  Options few = options;
  few.queries = std::min<size_t>(options.queries, 50);
  const Measured before = Measure(queries, nearest, few, 1, search);  // begins the index
  begin = Clock::now();
  while (!std::filesystem::exists(folder + "/vectors-00000001-l2.keys"))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double index_seconds = SecondsSince(begin);
  const Measured one = Measure(queries, nearest, options, 1, search);
  const Measured two = Measure(queries, nearest, options, 2, search);
  std::printf(
      "{\"vectors\": %zu, \"length\": %zu, \"queries\": %zu, \"seed\": %u, \"write_seconds\": %.1f, "
      "\"index_seconds\": %.1f",
      options.vectors, options.length, options.queries, options.seed, write_seconds, index_seconds);
  Print("all", {1, static_cast<double>(options.queries) / all_seconds});
  Print("without_index", before);
  Print("salver", one);
  Print("salver_two_threads", two);
  const Library library(folder + "/vectors-00000001-l2.graph", vectors, options);
  std::printf(", \"library\": [");
  bool first = true;
  for (const size_t effort : {100, 200, 300, 400, 500, 600, 800}) {
    const Measured measured =
        Measure(queries, nearest, options, 1, [&](std::span<const float> query, std::vector<int64_t>* ids) {
          auto found = library.graph.searchKnn(query.data(), effort);
          for (; found.size() > kTop; found.pop()) continue;
          for (; !found.empty(); found.pop()) ids->push_back(library.ids[found.top().second]);
        });
    std::printf("%s{\"effort\": %zu, \"recall\": %.4f, \"queries_per_second\": %.1f}", first ? "" : ", ",
                effort, measured.recall, measured.queries_per_second);
    first = false;
  }
  std::printf("]}\n");
}

}  // namespace

int main(int count, char** words) {
  Options options;
  std::string folder;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto number = [&] { return i + 1 < count ? std::strtoull(words[++i], nullptr, 10) : 0; };
    if (word == "--vectors")
      options.vectors = number();
    else if (word == "--length")
      options.length = number();
    else if (word == "--queries")
      options.queries = number();
    else if (word == "--seed")
      options.seed = static_cast<unsigned>(number());
    else
      folder = word;
  }
  if (folder.empty() || options.vectors < 512 || options.length == 0 || options.queries == 0)
    Stop(
        "usage: salver_vector_search FOLDER [--vectors N, 512 or more] [--length N] [--queries N] [--seed "
        "N]");
  Run(folder, options);
  return 0;
}
