#include "salver/online_search.h"

#include <algorithm>
#include <cctype>

#include "base/nearest.h"
#include "salver/online_store.h"

namespace salver {
namespace {

constexpr std::pair<const char*, DistanceMetric> kMetrics[] = {
    {"l2", DistanceMetric::kL2},
    {"cosine", DistanceMetric::kCosine},
    {"inner_product", DistanceMetric::kInnerProduct},
    {"euclidean", DistanceMetric::kL2},
    {"ip", DistanceMetric::kInnerProduct},
    {"dot", DistanceMetric::kInnerProduct},
    {"dot_product", DistanceMetric::kInnerProduct},
};

}  // namespace

const char* DistanceMetricName(DistanceMetric metric) {
  for (const auto& [name, known] : kMetrics) {
    if (known == metric) return name;
  }
  return "";
}

Result<DistanceMetric> DistanceMetricNamed(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  std::vector<std::string> names;
  for (const auto& [known, metric] : kMetrics) {
    if (lower == known) return metric;
    names.emplace_back(known);
  }
  return Status::InvalidArgument("\"" + std::string(name) + "\" is no distance metric." +
                                 NearestNameHint(lower, names));
}

Result<OnlineHits> OnlineStore::Search(const OnlineSearch& search, Deadline) {
  const std::string what = search.query.empty() ? "text" : "vector";
  return Status::Unimplemented("online store \"" + std::string(type()) + "\" has no " + what +
                                   " search, which was asked of feature view \"" + search.view->name +
                                   "\". Stores that have it are in docs/online-stores.md.",
                               Reason::kNotExecutedYet);
}

}  // namespace salver
