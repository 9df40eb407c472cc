// Documents with vectors and words, as rows for a store, and what a search of them must answer, the slow way.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "online/store_suite.h"

namespace salver {

struct Document {
  int64_t id = 0;
  int64_t event_us = kSecond;
  std::vector<float> vector;  // empty: null
  std::optional<std::string> title;
  std::optional<int64_t> pages;
};

enum DocumentColumn : ColumnId { kVector = 0, kTitle = 1, kPages = 2 };

inline ViewPtr DocumentView(const std::string& name, int vector_length) {
  std::vector<Field> features = {{.name = "embedding", .type = ValueType::kFloatList},
                                 {.name = "title", .type = ValueType::kString},
                                 {.name = "pages", .type = ValueType::kInt64}};
  features[0].vector_index = vector_length > 0;
  features[0].vector_length = vector_length;
  return MakeView(name, features);
}

inline Result<WriteCounts> WriteDocuments(OnlineStore* store, const FeatureView& view,
                                          const std::vector<Document>& documents) {
  arrow::ListBuilder vectors(arrow::default_memory_pool(), std::make_shared<arrow::FloatBuilder>());
  auto& elements = static_cast<arrow::FloatBuilder&>(*vectors.value_builder());
  arrow::StringBuilder titles;
  arrow::Int64Builder pages;
  std::vector<std::string> keys;
  std::vector<int64_t> event_us;
  bool ok = true;
  for (const Document& document : documents) {
    keys.push_back(Key(document.id));
    event_us.push_back(document.event_us);
    ok &= (document.vector.empty() ? vectors.AppendNull() : vectors.Append()).ok();
    ok &= elements.AppendValues(document.vector).ok();
    ok &= (document.title ? titles.Append(*document.title) : titles.AppendNull()).ok();
    ok &= (document.pages ? pages.Append(*document.pages) : pages.AppendNull()).ok();
  }
  EXPECT_TRUE(ok);
  std::vector<std::shared_ptr<arrow::Array>> columns = {*vectors.Finish(), *titles.Finish(), *pages.Finish()};
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i)
    fields.push_back(arrow::field(view.features[i].name, columns[i]->type()));
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema(fields), static_cast<int64_t>(documents.size()), columns);
  const std::vector<std::string_view> key_views(keys.begin(), keys.end());
  return store->Write(view, {key_views, event_us, {}, batch.get()}, Deadline::Never());
}

inline std::vector<float> RandomVector(size_t length, std::mt19937* random) {
  std::normal_distribution<float> element;
  std::vector<float> vector(length);
  for (float& x : vector) x = element(*random);
  return vector;
}

inline double SlowDistance(const std::vector<float>& a, const std::vector<float>& b, DistanceMetric metric) {
  double squared = 0, dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    squared += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    dot += double(a[i]) * b[i];
    aa += double(a[i]) * a[i];
    bb += double(b[i]) * b[i];
  }
  if (metric == DistanceMetric::kL2) return std::sqrt(squared);
  if (metric == DistanceMetric::kInnerProduct) return -dot;
  return aa > 0 && bb > 0 ? 1 - dot / std::sqrt(aa * bb) : 1;
}

// Distances of the `top_k` nearest documents that `passes` lets through, the nearest first.
template <typename Passes>
std::vector<double> SlowSearch(const std::map<int64_t, Document>& documents, const std::vector<float>& query,
                               DistanceMetric metric, size_t top_k, const Passes& passes) {
  std::vector<double> distances;
  for (const auto& [id, document] : documents) {
    if (document.vector.size() == query.size() && passes(document))
      distances.push_back(SlowDistance(document.vector, query, metric));
  }
  std::sort(distances.begin(), distances.end());
  distances.resize(std::min(distances.size(), top_k));
  return distances;
}

// The ids of an answer's keys.
inline std::vector<int64_t> IdsOf(const OnlineHits& hits) {
  std::vector<int64_t> ids;
  for (const std::string& key : hits.keys) {
    int64_t id;
    std::memcpy(&id, key.data() + key.size() - sizeof id, sizeof id);
    ids.push_back(id);
  }
  return ids;
}

}  // namespace salver
