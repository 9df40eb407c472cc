// A search for the rows of one feature view, called documents as in Feast, by a vector, by words or by both;
// the answer is an OnlineResponse (online_request.h): the features asked for, then "distance", then
// "text_rank" when words were given, then the join keys; a row a hit, the best first.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "salver/online_search.h"

namespace salver {

struct DocumentRequest {
  std::vector<std::string_view> features;  // "view:feature", all of one view; exclusive with feature_service
  std::string_view feature_service;
  std::vector<float> query;       // compared with the view's feature that has a vector index
  std::string_view query_string;  // words, in the query language of SQLite's FTS5
  size_t top_k = 0;
  std::string_view distance_metric;  // "": l2; a metric that the feature declares comes before it
  std::optional<RowFilter> filters;
  // As Feast's first version answered: no row is found without a vector, and the columns are the features,
  // the join keys and "distance" in the order of the request, where each is asked for by name.
  bool first_version = false;
};

}  // namespace salver
