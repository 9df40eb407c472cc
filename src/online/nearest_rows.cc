#include "online/nearest_rows.h"

#include <algorithm>

namespace salver {
namespace {

Status CheckVector(const OnlineSearch& search) {
  const FeatureView& view = *search.view;
  if (search.vector_column >= view.features.size())
    return Status::Internal("a search names column " + std::to_string(search.vector_column) + " of \"" +
                            view.name + "\", which has fewer.");
  const Field& feature = view.features[search.vector_column];
  const std::string name = "feature \"" + feature.name + "\" of feature view \"" + view.name + "\"";
  if (feature.type != ValueType::kFloatList && feature.type != ValueType::kDoubleList)
    return Status::InvalidArgument(name + " is " + ValueTypeName(feature.type) +
                                   "; rows are searched by a FLOAT_LIST or DOUBLE_LIST.");
  if (feature.vector_length > 0 && search.query.size() != static_cast<size_t>(feature.vector_length))
    return Status::InvalidArgument("the query has " + std::to_string(search.query.size()) + " elements; " +
                                   name + " is declared with vector_length " +
                                   std::to_string(feature.vector_length) + ".");
  if (!AllFinite(search.query))
    return Status::InvalidArgument("the query holds NaN or Infinity. Give finite numbers.");
  return Status::OK();
}

}  // namespace

Result<NearestRows> NearestRows::Make(const OnlineSearch& search) {
  if (search.query.empty() && search.text.empty())
    return Status::InvalidArgument("a search needs a vector or words to search for.");
  if (search.top_k == 0 || search.top_k > kTopKMax)
    return Status::InvalidArgument("top_k is " + std::to_string(search.top_k) + "; it is from 1 to " +
                                   std::to_string(kTopKMax) + ".");
  if (!search.query.empty()) SALVER_RETURN_NOT_OK(CheckVector(search));
  SALVER_ASSIGN(ReadyFilter filter, ReadyFilter::Make(*search.view, search.filter));
  return NearestRows(&search, std::move(filter));
}

NearestRows::NearestRows(const OnlineSearch* search, ReadyFilter filter)
    : search_(search), filter_(std::move(filter)), distance_(search->query, search->metric) {
  if (has_vector()) columns_.push_back(search->vector_column);
  columns_.insert(columns_.end(), filter_.columns().begin(), filter_.columns().end());
}

void NearestRows::Offer(std::string_view key, int64_t event_us, std::span<const OnlineCell> cells,
                        double text_rank) {
  if (!Passes(event_us, cells)) return;
  double score = text_rank;
  if (has_vector()) {
    if (!VectorOf(cells[0], &vector_) || vector_.size() != search_->query.size() || !AllFinite(vector_))
      return;
    score = distance_(vector_);
  }
  const bool full = best_.size() == search_->top_k;
  if (full && score > best_.front().score) return;
  Hit hit{score, text_rank, std::string(key)};
  if (full && !(hit < best_.front())) return;
  if (full) {
    std::pop_heap(best_.begin(), best_.end());
    best_.pop_back();
  }
  best_.push_back(std::move(hit));
  std::push_heap(best_.begin(), best_.end());
}

OnlineHits NearestRows::Take() {
  std::sort(best_.begin(), best_.end());
  OnlineHits hits;
  for (Hit& hit : best_) {
    hits.keys.push_back(std::move(hit.key));
    if (has_vector()) hits.distances.push_back(hit.score);
    if (!search_->text.empty()) hits.text_ranks.push_back(hit.text_rank);
  }
  best_.clear();
  return hits;
}

}  // namespace salver
