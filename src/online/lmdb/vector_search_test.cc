// Searches of lmdb that an index answers: what it finds, what it follows, and what it is worth when it is
// broken.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "online/online_stores.h"
#include "online/test_documents.h"
#include "online/vector_distance.h"
#include "salver/log.h"

namespace salver {
namespace {

constexpr size_t kLength = 16, kFrom = 200;

class LmdbVectorSearch : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/vectors-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    random_.seed(seed_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
    if (HasFailure()) std::cerr << "seed " << seed_ << "\n";
  }

  void Open() {
    auto store = OpenLmdbOnlineStore({.path = folder_, .project = "p", .vector_index_from = kFrom});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
    ASSERT_TRUE(store_->Apply(std::vector{view_}, {}).ok());
  }

  // Writes `count` documents with ids from `first` on.
  void Write(int64_t first, int64_t count, int64_t event_us = kSecond) {
    std::vector<Document> batch;
    for (int64_t id = first; id < first + count; ++id) {
      Document document{.id = id, .event_us = event_us, .vector = RandomVector(kLength, &random_)};
      document.pages = id % 100;
      documents_[id] = document;
      batch.push_back(document);
    }
    const auto counts = WriteDocuments(store_.get(), *view_, batch);
    ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  }

  Result<OnlineHits> Search(const std::vector<float>& query, size_t top_k, const RowFilter* filter = nullptr,
                            int64_t oldest_us = INT64_MIN) {
    static constexpr ColumnId kColumns[] = {kVector, kPages};
    return store_->Search({.view = view_.get(),
                           .query = query,
                           .vector_column = kVector,
                           .metric = metric_,
                           .top_k = top_k,
                           .filter = filter,
                           .oldest_event_us = oldest_us,
                           .columns = kColumns},
                          Deadline::Never());
  }

  // The share of the nearest ten that searches find; that every hit is a document that passes, with its
  // distance.
  template <typename Passes>
  double Recall(const Passes& passes, const RowFilter* filter = nullptr, int64_t oldest_us = INT64_MIN) {
    double found = 0, all = 0;
    for (int i = 0; i < 40; ++i) {
      const auto query = RandomVector(kLength, &random_);
      const auto expected = SlowSearch(documents_, query, metric_, 10, passes);
      const auto hits = Search(query, 10, filter, oldest_us);
      EXPECT_TRUE(hits.ok()) << hits.status().ToString();
      if (!hits.ok()) return 0;
      EXPECT_EQ(hits->keys.size(), expected.size());
      const auto ids = IdsOf(*hits);
      for (size_t h = 0; h < ids.size(); ++h) {
        const Document& document = documents_.at(ids[h]);
        EXPECT_TRUE(passes(document)) << ids[h];
        EXPECT_NEAR(hits->distances[h], SlowDistance(document.vector, query, metric_), 1e-4);
        EXPECT_EQ(hits->rows.at(h, 1).integer, *document.pages);
        found += hits->distances[h] <= expected.back() + 1e-4;
      }
      all += static_cast<double>(expected.size());
    }
    return found / all;
  }
  static bool Every(const Document&) { return true; }

  std::string File(const char* suffix) const {
    return folder_ + "/vectors-00000001-" + DistanceMetricName(metric_) + suffix;
  }

  // Searches until the index has caught up and is kept in its files.
  void WaitForFiles() {
    const auto query = RandomVector(kLength, &random_);
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!std::filesystem::exists(File(".keys"))) {
      ASSERT_TRUE(Search(query, 1).ok());
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "no index was kept";
      std::this_thread::yield();
    }
  }

  DistanceMetric metric_ = DistanceMetric::kL2;
  const unsigned seed_ = std::random_device()();
  std::mt19937 random_;
  std::string folder_;
  const ViewPtr view_ = DocumentView("docs", kLength);
  std::map<int64_t, Document> documents_;
  std::unique_ptr<OnlineStore> store_;
};

TEST_F(LmdbVectorSearch, IndexMissesFewAndFollowsWrites) {
  Open();
  Write(0, 1500);
  EXPECT_EQ(Recall(Every), 1.0);  // by looking at every row, or by an index of some and the rest
  WaitForFiles();
  EXPECT_GE(Recall(Every), 0.95);
  Write(1400, 300, 2 * kSecond);  // some of them again, with other vectors
  EXPECT_GE(Recall(Every), 0.95);
  const RowFilter filter{.kind = RowFilter::Kind::kLess, .feature = "pages", .values = {int64_t{50}}};
  EXPECT_GE(Recall([](const Document& d) { return *d.pages < 50; }, &filter), 0.95);
  const RowFilter few{.kind = RowFilter::Kind::kEqual, .feature = "pages", .values = {int64_t{7}}};
  EXPECT_EQ(Recall([](const Document& d) { return *d.pages == 7; }, &few), 1.0);
  EXPECT_GE(Recall([](const Document& d) { return d.event_us >= 2 * kSecond; }, nullptr, 2 * kSecond), 0.95);
}

class LmdbMetricSearch : public LmdbVectorSearch, public testing::WithParamInterface<DistanceMetric> {};

TEST_P(LmdbMetricSearch, IndexOfEveryMetricMissesFew) {
  metric_ = GetParam();
  Open();
  Write(0, 3000);
  WaitForFiles();
  EXPECT_GE(Recall(Every), 0.95);
  Write(2900, 300, 2 * kSecond);
  EXPECT_GE(Recall(Every), 0.95);
}

INSTANTIATE_TEST_SUITE_P(Metrics, LmdbMetricSearch,
                         testing::Values(DistanceMetric::kL2, DistanceMetric::kCosine,
                                         DistanceMetric::kInnerProduct),
                         [](const auto& param_info) {
                           return std::string(DistanceMetricName(param_info.param));
                         });

TEST_F(LmdbVectorSearch, NoRowIsFoundTwiceOrUnderAVectorThatItHadBefore) {
  Open();
  Write(0, 600);
  WaitForFiles();
  for (int round = 2; round < 12; ++round) {  // more vectors are replaced than there are
    Write(0, 300, round * kSecond);
    const auto hits = Search(documents_.at(0).vector, 600);
    ASSERT_TRUE(hits.ok());
    auto ids = IdsOf(*hits);
    EXPECT_EQ(ids[0], 0);
    EXPECT_NEAR(hits->distances[0], 0, 1e-6);
    EXPECT_EQ(ids.size(), 600u);
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
  }
  EXPECT_GE(Recall(Every), 0.95);
}

TEST_F(LmdbVectorSearch, RowsThatAnotherProcessWritesAreFoundAtOnce) {
  Open();
  Write(0, 500);
  store_.reset();  // LMDB forbids carrying an open handle over fork
  int ready[2], go[2];
  ASSERT_EQ(::pipe(ready) | ::pipe(go), 0);
  const pid_t child = ::fork();
  ::close(child == 0 ? go[1] : go[0]);  // so that one who ends is noticed by the other
  ::close(child == 0 ? ready[0] : ready[1]);
  if (child == 0) {
    char byte;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    Open();
    Write(400, 300, 2 * kSecond);  // fewer than the index has, so it is not passed over
    ::_exit(::write(ready[1], "r", 1) == 1 && !HasFailure() ? 0 : 1);
  }
  Open();
  WaitForFiles();
  EXPECT_GE(Recall(Every), 0.95);
  ASSERT_EQ(::write(go[1], "g", 1), 1);
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  // The child's vectors came from the same generator in the same state as this one's would have.
  std::mt19937 same(seed_);
  for (int64_t id = 0; id < 500; ++id) (void)RandomVector(kLength, &same);
  for (int64_t id = 400; id < 700; ++id) {
    documents_[id] = {
        .id = id, .event_us = 2 * kSecond, .vector = RandomVector(kLength, &same), .pages = id % 100};
  }
  EXPECT_GE(Recall(Every), 0.95);
}

TEST_F(LmdbVectorSearch, KilledInTheMiddleOfALoadItFindsWhatTheRowsHold) {
  for (int round = 0; round < 4; ++round) {
    int begun[2];
    ASSERT_EQ(::pipe(begun), 0);
    const pid_t child = ::fork();
    ::close(begun[child == 0 ? 0 : 1]);  // so that a child that ends by itself is noticed
    if (child == 0) {
      Open();
      for (int64_t first = 0;; first = (first + 150) % 3000) {
        Write(first, 200, (round + 1) * kSecond);
        (void)Search(documents_.at(first).vector, 3);  // an index is made and kept meanwhile
        if (first >= 600 && ::write(begun[1], "b", 1) != 1) ::_exit(1);
      }
    }
    char byte;
    for (int i = 0; i < 1 + round * 6; ++i) ASSERT_EQ(::read(begun[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    ::close(begun[0]);
    int status;
    ::waitpid(child, &status, 0);
    Open();
    // What is there, by reading it.
    std::vector<std::string> keys;
    for (int64_t id = 0; id < 3300; ++id) keys.push_back(Key(id));
    const std::vector<std::string_view> key_views(keys.begin(), keys.end());
    static constexpr ColumnId kColumns[] = {kVector, kPages};
    const OnlineRead read{view_.get(), key_views, kColumns};
    const auto rows = store_->Read(std::span(&read, 1), Deadline::Never());
    ASSERT_TRUE(rows.ok());
    documents_.clear();
    for (int64_t id = 0; id < 3300; ++id) {
      const auto row = static_cast<size_t>(id);
      if (!(*rows)[0].present[row]) continue;
      Document& document = documents_[id];
      ASSERT_TRUE(VectorOf((*rows)[0].at(row, 0), &document.vector));
      document.pages = (*rows)[0].at(row, 1).integer;
    }
    ASSERT_GE(documents_.size(), 600u);
    EXPECT_GE(Recall(Every), 0.95);
    store_.reset();
  }
}

class LmdbDamagedIndex : public LmdbVectorSearch, public testing::WithParamInterface<const char*> {};

TEST_P(LmdbDamagedIndex, IsMadeAnewWithALogLine) {
  Open();
  Write(0, 300);
  WaitForFiles();
  store_.reset();
  const std::string how = GetParam();
  const std::string path = File(how.starts_with("graph") ? ".graph" : ".keys");
  std::string bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::string healthy = bytes;
  if (how == "keys_version") bytes[8] = 99;
  if (how.ends_with("bit")) bytes[bytes.size() / 2] ^= 1;
  if (how.ends_with("cut")) bytes.resize(bytes.size() / 2);
  if (how.ends_with("empty")) bytes.clear();
  std::ofstream(path, std::ios::binary) << bytes;
  std::filesystem::copy(File(".keys"), File(".keys.before"));
  std::filesystem::copy(File(".graph"), File(".graph.before"));
  LogConfig config;
  ASSERT_TRUE(ConfigureLog(config).ok());
  testing::internal::CaptureStderr();
  Open();
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  const auto read = [](const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  while (read(File(".keys")) == read(File(".keys.before")) &&
         read(File(".graph")) == read(File(".graph.before"))) {
    EXPECT_EQ(Recall(Every) >= 0.95, true);
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "the index was not made anew";
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("vector_index_made_anew"), std::string::npos) << log;
  EXPECT_NE(log.find(how == "keys_version" ? "version 99" : "damaged"), std::string::npos) << log;
  EXPECT_GE(Recall(Every), 0.95);
}

INSTANTIATE_TEST_SUITE_P(Files, LmdbDamagedIndex,
                         testing::Values("keys_version", "keys_bit", "keys_cut", "keys_empty", "graph_bit",
                                         "graph_cut", "graph_empty"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(LmdbVectorSearch, IndexOfADroppedViewGoesWithIt) {
  Open();
  Write(0, 500);
  WaitForFiles();
  ASSERT_TRUE(store_->Apply({}, std::vector{view_}).ok());
  EXPECT_FALSE(std::filesystem::exists(File(".keys")));
  EXPECT_FALSE(std::filesystem::exists(File(".graph")));
  ASSERT_TRUE(store_->Apply(std::vector{view_}, {}).ok());
  const auto hits = Search(documents_.at(0).vector, 5);
  ASSERT_TRUE(hits.ok()) << hits.status().ToString();
  EXPECT_TRUE(hits->keys.empty());
}

TEST_F(LmdbVectorSearch, ViewThatGetsItsVectorIndexLaterFindsTheRowsItHad) {
  const ViewPtr declared = view_;
  const ViewPtr plain = DocumentView("docs", 0);
  Open();
  ASSERT_TRUE(store_->Apply({}, std::vector{declared}).ok());
  ASSERT_TRUE(store_->Apply(std::vector{plain}, {}).ok());
  Write(0, 300);
  EXPECT_EQ(Recall(Every), 1.0);  // not declared: by looking at every row
  ASSERT_TRUE(store_->Apply(std::vector{declared}, {}).ok());
  EXPECT_EQ(Recall(Every), 1.0);
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!std::filesystem::exists(folder_ + "/vectors-00000002-l2.keys")) {
    ASSERT_TRUE(Search(documents_.at(0).vector, 1).ok());
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::yield();
  }
  EXPECT_GE(Recall(Every), 0.95);
}

}  // namespace
}  // namespace salver
