#include "online/lmdb/vector_index.h"

#include <algorithm>
#include <random>

#include "online/vector_distance.h"

namespace salver {
namespace {

constexpr size_t kEffortMin = 64, kEffortMax = 4096;
// A search for ten that looks at so many candidates that it finds this share of them.
constexpr double kRecall = 0.975;
constexpr size_t kMeasureFrom = 512, kMeasureQueries = 48, kMeasureTop = 10;

}  // namespace

VectorIndex::VectorIndex(VectorIndexIdentity identity, DistanceMetric metric)
    : identity_(identity), metric_(metric), graph_(std::make_unique<VectorGraph>(identity.length, metric)) {}

double VectorIndex::Shared::PassRate(const std::function<bool(std::string_view, int64_t)>& passes) const {
  constexpr size_t kTries = 200;
  std::minstd_rand random(1);  // any choice will do
  size_t tried = 0, passed = 0;
  for (size_t i = 0; i < 2 * kTries && tried < kTries && !index_->entries_.empty(); ++i) {
    const Entry& entry = index_->entries_[random() % index_->entries_.size()];
    if (!entry.found) continue;
    ++tried;
    passed += passes(entry.key, entry.event_us);
  }
  return tried == 0 ? 0 : static_cast<double>(passed) / static_cast<double>(tried);
}

Status VectorIndex::Shared::Search(std::span<const float> query, size_t top_k,
                                   const std::vector<std::string>& except,
                                   const std::function<bool(std::string_view, int64_t)>& passes,
                                   std::vector<std::string>* keys) const {
  std::unordered_set<uint32_t> left_out;
  for (const std::string& key : except) {
    const auto found = index_->number_of_.find(key);
    if (found != index_->number_of_.end()) left_out.insert(found->second);
  }
  std::function<bool(uint32_t)> filter;
  if (passes != nullptr || !left_out.empty()) {
    filter = [&](uint32_t number) {
      const Entry& entry = index_->entries_[number];
      return !left_out.contains(number) && (passes == nullptr || passes(entry.key, entry.event_us));
    };
  }
  std::vector<uint32_t> numbers;
  const size_t effort = std::max(index_->effort_, 2 * top_k);
  SALVER_RETURN_NOT_OK(index_->graph_->Search(query, effort, filter, &numbers));
  for (size_t i = 0; i < std::min(numbers.size(), top_k); ++i)
    keys->push_back(index_->entries_[numbers[i]].key);
  return Status::OK();
}

Status VectorIndex::Apply(const std::vector<VectorChange>& changes) {
  for (const VectorChange& change : changes) {
    std::lock_guard turn(turn_);  // for each of its own: searches go on in between
    std::lock_guard lock(mutex_);
    const Status status = ApplyOne(change);
    if (status.ok()) continue;
    Clear();
    return status;
  }
  const size_t dead = entries_.size() - number_of_.size();
  return dead > 1000 && dead > number_of_.size() ? Rebuild() : Status::OK();
}

Status VectorIndex::ApplyOne(const VectorChange& change) {
  const auto known = number_of_.find(change.key);
  const bool same = known != number_of_.end() && change.vector.size() == identity_.length &&
                    graph_->Holds(known->second, change.vector);
  if (same) {
    entries_[known->second].event_us = change.event_us;
  } else {
    if (known != number_of_.end()) {
      SALVER_RETURN_NOT_OK(graph_->Remove(known->second));
      entries_[known->second].found = false;
      number_of_.erase(known);
    }
    if (change.vector.size() == identity_.length) {
      const uint32_t number = graph_->size();
      SALVER_RETURN_NOT_OK(graph_->Add(change.vector));
      entries_.push_back({change.key, change.event_us});
      number_of_[entries_.back().key] = number;
    }
  }
  seen_ = change.number;
  ++changed_since_save_;
  return Status::OK();
}

// Removed vectors still stand in the way of searches: without them, in a graph of its own meanwhile.
Status VectorIndex::Rebuild() {
  auto graph = std::make_unique<VectorGraph>(identity_.length, metric_);
  std::deque<Entry> entries;
  for (uint32_t number = 0; number < entries_.size(); ++number) {
    if (!entries_[number].found) continue;
    SALVER_RETURN_NOT_OK(graph->Add(graph_->Vector(number)));
    entries.push_back(entries_[number]);
  }
  std::lock_guard turn(turn_);
  std::lock_guard lock(mutex_);
  graph_ = std::move(graph);
  entries_ = std::move(entries);
  number_of_.clear();
  for (uint32_t number = 0; number < entries_.size(); ++number) number_of_[entries_[number].key] = number;
  return Status::OK();
}

void VectorIndex::Clear() {
  graph_ = std::make_unique<VectorGraph>(identity_.length, metric_);
  entries_.clear();
  number_of_.clear();
  seen_ = changed_since_save_ = 0;
  measured_at_ = 0;
}

Status VectorIndex::Measure(const std::vector<VectorChange>& next) {
  if (count() < kMeasureFrom || count() < measured_at_ + measured_at_ / 4) return Status::OK();
  std::vector<std::span<const float>> queries;
  for (const VectorChange& change : next) {
    if (change.vector.size() == identity_.length && queries.size() < kMeasureQueries)
      queries.push_back(change.vector);
  }
  if (queries.size() < kMeasureQueries / 2) return Status::OK();
  std::vector<std::vector<uint32_t>> nearest;  // of each query, by looking at all
  for (const auto query : queries) {
    const DistanceTo distance(query, metric_);
    std::vector<std::pair<double, uint32_t>> all;
    for (uint32_t number = 0; number < entries_.size(); ++number) {
      if (entries_[number].found) all.emplace_back(distance(graph_->Vector(number)), number);
    }
    std::partial_sort(all.begin(), all.begin() + kMeasureTop, all.end());
    nearest.emplace_back();
    for (size_t i = 0; i < kMeasureTop; ++i) nearest.back().push_back(all[i].second);
  }
  size_t effort = kEffortMin;
  for (; effort < kEffortMax; effort += effort / 4) {
    size_t hits = 0;
    std::vector<uint32_t> found;
    for (size_t i = 0; i < queries.size(); ++i) {
      SALVER_RETURN_NOT_OK(graph_->Search(queries[i], effort, nullptr, &found));
      found.resize(std::min(found.size(), kMeasureTop));
      for (const uint32_t number : found)
        hits += static_cast<size_t>(std::count(nearest[i].begin(), nearest[i].end(), number));
    }
    if (static_cast<double>(hits) >= kRecall * static_cast<double>(queries.size() * kMeasureTop)) break;
  }
  measured_at_ = count();
  std::lock_guard turn(turn_);
  std::lock_guard lock(mutex_);
  effort_ = effort;
  return Status::OK();
}

}  // namespace salver
