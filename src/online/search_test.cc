// What the suite of every online store asserts of those that claim vectors or text search.
#include <random>

#include "online/store_suite.h"
#include "online/test_documents.h"

namespace salver {
namespace {

constexpr ColumnId kAllColumns[] = {kVector, kTitle, kPages};

OnlineSearch Nearest(const FeatureView& view, const std::vector<float>& query, size_t top_k) {
  return {.view = &view, .query = query, .vector_column = kVector, .top_k = top_k, .columns = kAllColumns};
}

OnlineSearch Words(const FeatureView& view, std::string_view text, size_t top_k) {
  return {.view = &view, .text = text, .top_k = top_k, .columns = kAllColumns};
}

RowFilter Compare(RowFilter::Kind kind, const char* feature, std::vector<RowFilter::Value> values) {
  return {.kind = kind, .feature = feature, .values = std::move(values)};
}

TEST_P(OnlineStoreSuite, RefusesASearchThatItDoesNotClaim) {
  const auto view = DocumentView("v", 2);
  Apply({view});
  const std::vector<float> query = {1, 0};
  for (const auto& [can, search] :
       {std::pair{can_.vectors, Nearest(*view, query, 3)}, {can_.text_search, Words(*view, "apple", 3)}}) {
    const Status status = store_->Search(search, Deadline::Never()).status();
    EXPECT_EQ(status.code(), can ? StatusCode::kOk : StatusCode::kUnimplemented) << status.ToString();
    if (can) continue;
    EXPECT_NE(status.message().find("docs/online-stores.md"), std::string::npos) << status.message();
    EXPECT_EQ(status.reason(), Reason::kNotExecutedYet);
  }
}

TEST_P(OnlineStoreSuite, FindsTheNearestVectorsByEveryMetric) {
  if (!can_.vectors) GTEST_SKIP() << "has no vector search";
  const auto view = DocumentView("v", 2);
  Apply({view});
  ASSERT_TRUE(
      WriteDocuments(store_.get(), *view,
                     {{.id = 1, .event_us = 5 * kSecond, .vector = {1, 0}, .title = "east", .pages = 10},
                      {.id = 2, .vector = {0, 3}, .title = "north"},
                      {.id = 3, .vector = {-2, 0}},
                      {.id = 4, .title = "no vector"},
                      {.id = 5, .vector = {7, 7, 7}, .title = "too long"},
                      {.id = 6, .vector = {NAN, 0}}})
          .ok());
  const std::vector<float> query = {2, 1};
  const std::tuple<DistanceMetric, std::vector<int64_t>, double> expected[] = {
      {DistanceMetric::kL2, {1, 2, 3}, std::sqrt(2.0)},
      {DistanceMetric::kCosine, {1, 2, 3}, 1 - 2 / std::sqrt(5.0)},
      {DistanceMetric::kInnerProduct, {2, 1, 3}, -3},
  };
  for (const auto& [metric, ids, first] : expected) {
    OnlineSearch search = Nearest(*view, query, 10);
    search.metric = metric;
    const auto hits = store_->Search(search, Deadline::Never());
    ASSERT_TRUE(hits.ok()) << hits.status().ToString();
    EXPECT_EQ(IdsOf(*hits), ids) << DistanceMetricName(metric);
    EXPECT_NEAR(hits->distances[0], first, 1e-6) << DistanceMetricName(metric);
    EXPECT_TRUE(hits->text_ranks.empty());
  }
  const auto hits = store_->Search(Nearest(*view, query, 1), Deadline::Never());
  ASSERT_TRUE(hits.ok());
  ASSERT_EQ(hits->rows.row_count, 1u);
  EXPECT_EQ(hits->rows.at(0, kTitle).bytes(), "east");
  EXPECT_EQ(hits->rows.at(0, kPages).integer, 10);
  EXPECT_EQ(hits->rows.event_us[0], 5 * kSecond);
}

TEST_P(OnlineStoreSuite, SearchSeesEveryWriteThatWasAcknowledged) {
  if (!can_.vectors) GTEST_SKIP() << "has no vector search";
  const auto view = DocumentView("v", 2);
  Apply({view});
  const std::vector<float> query = {1, 0};
  const auto found = [&] {
    const auto hits = store_->Search(Nearest(*view, query, 5), Deadline::Never());
    EXPECT_TRUE(hits.ok()) << hits.status().ToString();
    return hits.ok() ? IdsOf(*hits) : std::vector<int64_t>();
  };
  EXPECT_TRUE(found().empty());
  ASSERT_TRUE(
      WriteDocuments(store_.get(), *view, {{.id = 1, .vector = {9, 9}}, {.id = 2, .vector = {2, 0}}}).ok());
  EXPECT_EQ(found(), (std::vector<int64_t>{2, 1}));
  ASSERT_TRUE(
      WriteDocuments(store_.get(), *view, {{.id = 1, .event_us = 2 * kSecond, .vector = {1, 0}}}).ok());
  EXPECT_EQ(found(), (std::vector<int64_t>{1, 2}));  // overwritten
  ASSERT_EQ(WriteDocuments(store_.get(), *view, {{.id = 1, .event_us = kSecond, .vector = {50, 0}}})->older,
            1);
  EXPECT_EQ(found(), (std::vector<int64_t>{1, 2}));  // an older row changes nothing
  ASSERT_TRUE(WriteDocuments(store_.get(), *view, {{.id = 1, .event_us = 3 * kSecond}}).ok());
  EXPECT_EQ(found(), (std::vector<int64_t>{2}));  // without a vector it is not found
  if (can_.persistent) {
    Reopen();
    EXPECT_EQ(found(), (std::vector<int64_t>{2}));
  }
  if (!can_.drop) return;
  Apply({}, {view});
  Apply({view});
  EXPECT_TRUE(found().empty());
}

TEST_P(OnlineStoreSuite, SearchAgreesWithTheSlowWayOnRandomDocumentsAndFilters) {
  if (!can_.vectors) GTEST_SKIP() << "has no vector search";
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto view = DocumentView("v", 8);
  Apply({view});
  std::map<int64_t, Document> documents;
  for (int round = 0; round < 6; ++round) {
    std::vector<Document> batch;
    for (int64_t id = 0; id < 300; ++id) {
      if (random() % 3 == 0) continue;
      Document document{.id = id, .event_us = (round + 1) * kSecond};
      if (random() % 10 != 0) document.vector = RandomVector(8, &random);
      if (random() % 10 != 0) document.title = "t" + std::to_string(random() % 20);
      if (random() % 10 != 0) document.pages = static_cast<int64_t>(random() % 100);
      batch.push_back(document);
      documents[id] = document;
    }
    ASSERT_TRUE(WriteDocuments(store_.get(), *view, batch).ok());
    const auto limit = static_cast<int64_t>(random() % 100);
    const RowFilter filter{
        .kind = RowFilter::Kind::kOr,
        .parts = {Compare(RowFilter::Kind::kLess, "pages", {limit}),
                  Compare(RowFilter::Kind::kIn, "title", {std::string("t1"), std::string("t2")})}};
    const auto passes = [&](const Document& d) {
      return d.event_us >= 2 * kSecond &&
             ((d.pages && *d.pages < limit) || (d.title && (*d.title == "t1" || *d.title == "t2")));
    };
    const std::vector<float> query = RandomVector(8, &random);
    for (const auto metric : {DistanceMetric::kL2, DistanceMetric::kCosine, DistanceMetric::kInnerProduct}) {
      OnlineSearch search = Nearest(*view, query, 1 + random() % 40);
      search.metric = metric;
      search.filter = &filter;
      search.oldest_event_us = 2 * kSecond;
      const auto hits = store_->Search(search, Deadline::Never());
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      const auto expected = SlowSearch(documents, query, metric, search.top_k, passes);
      ASSERT_EQ(hits->distances.size(), expected.size());
      const auto ids = IdsOf(*hits);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(hits->distances[i], expected[i], 1e-4);
        EXPECT_NEAR(SlowDistance(documents.at(ids[i]).vector, query, metric), expected[i], 1e-4);
        EXPECT_TRUE(passes(documents.at(ids[i])));
      }
    }
  }
}

TEST_P(OnlineStoreSuite, SearchThatDoesNotFitTheViewIsRefused) {
  if (!can_.vectors) GTEST_SKIP() << "has no vector search";
  const auto view = DocumentView("v", 2);
  Apply({view});
  const std::vector<float> query = {1, 0}, longer = {1, 0, 0}, no_number = {1, INFINITY};
  const auto refusal = [&](OnlineSearch search, const RowFilter* filter = nullptr) {
    search.filter = filter;
    const Status status = store_->Search(search, Deadline::Never()).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    return status.message();
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(refusal(Nearest(*view, longer, 1)), "vector_length 2"));
  EXPECT_TRUE(has(refusal(Nearest(*view, no_number, 1)), "Infinity"));
  EXPECT_TRUE(has(refusal(Nearest(*view, query, 0)), "top_k is 0"));
  EXPECT_TRUE(has(refusal({.view = view.get(), .top_k = 1}), "needs a vector or words"));
  OnlineSearch by_title = Nearest(*view, query, 1);
  by_title.vector_column = kTitle;
  EXPECT_TRUE(has(refusal(by_title), "\"title\""));
  const RowFilter unknown = Compare(RowFilter::Kind::kEqual, "pagez", {int64_t{1}});
  EXPECT_TRUE(has(refusal(Nearest(*view, query, 1), &unknown), "Did you mean \"pages\"?"));
  const RowFilter mixed = Compare(RowFilter::Kind::kEqual, "pages", {std::string("ten")});
  EXPECT_TRUE(has(refusal(Nearest(*view, query, 1), &mixed), "\"ten\""));
  const auto never_applied = DocumentView("w", 2);
  if (!can_.views) return;
  EXPECT_EQ(store_->Search(Nearest(*never_applied, query, 1), Deadline::Never()).status().reason(),
            Reason::kViewNotFound);
}

TEST_P(OnlineStoreSuite, FindsRowsByTheirWordsTheBestMatchFirst) {
  if (!can_.text_search) GTEST_SKIP() << "has no text search";
  const auto view = DocumentView("v", 2);
  Apply({view});
  ASSERT_TRUE(
      WriteDocuments(store_.get(), *view,
                     {{.id = 1, .vector = {9, 0}, .title = "red apple", .pages = 1},
                      {.id = 2, .vector = {1, 0}, .title = "apples and pears and plums and figs", .pages = 2},
                      {.id = 3, .vector = {0, 0}, .title = "blue sky"},
                      {.id = 4}})
          .ok());
  const auto found = [&](OnlineSearch search) {
    const auto hits = store_->Search(search, Deadline::Never());
    EXPECT_TRUE(hits.ok()) << hits.status().ToString();
    if (!hits.ok()) return std::vector<int64_t>();
    EXPECT_EQ(hits->text_ranks.size(), hits->keys.size());
    EXPECT_EQ(hits->distances.size(), search.query.empty() ? 0 : hits->keys.size());
    return IdsOf(*hits);
  };
  EXPECT_EQ(found(Words(*view, "apple", 5)),
            (std::vector<int64_t>{1, 2}));  // by stem; the shorter text is better
  EXPECT_EQ(found(Words(*view, "apple", 1)), (std::vector<int64_t>{1}));
  EXPECT_EQ(found(Words(*view, "apple AND pear", 5)), (std::vector<int64_t>{2}));
  EXPECT_TRUE(found(Words(*view, "zebra", 5)).empty());
  const RowFilter filter = Compare(RowFilter::Kind::kGreater, "pages", {int64_t{1}});
  OnlineSearch filtered = Words(*view, "apple", 5);
  filtered.filter = &filter;
  EXPECT_EQ(found(filtered), (std::vector<int64_t>{2}));
  const std::vector<float> query = {0, 0};
  OnlineSearch both = Words(*view, "apple", 5);  // those with the words, by their vectors
  both.query = query;
  both.vector_column = kVector;
  if (can_.vectors) {
    EXPECT_EQ(found(both), (std::vector<int64_t>{2, 1}));
  }
  // Kept in step with what is written.
  ASSERT_TRUE(
      WriteDocuments(store_.get(), *view, {{.id = 1, .event_us = 2 * kSecond, .title = "green zebra"}}).ok());
  EXPECT_EQ(found(Words(*view, "apple", 5)), (std::vector<int64_t>{2}));
  EXPECT_EQ(found(Words(*view, "zebra", 5)), (std::vector<int64_t>{1}));
  const Status bad = store_->Search(Words(*view, "\"unfinished", 5), Deadline::Never()).status();
  EXPECT_EQ(bad.code(), StatusCode::kInvalidArgument) << bad.ToString();
  if (can_.persistent) {
    Reopen();
    EXPECT_EQ(found(Words(*view, "zebra", 5)), (std::vector<int64_t>{1}));
  }
}

}  // namespace
}  // namespace salver
