// OnlineServing::Search: from a request for documents to the columns of its answer.
#include <algorithm>
#include <cstring>
#include <limits>

#include "base/nearest.h"
#include "model/feature_request.h"
#include "salver/entity_key.h"
#include "serving/names_json.h"
#include "serving/online_serving.h"

namespace salver {
namespace {

constexpr std::string_view kDistance = "distance", kTextRank = "text_rank";

// A column of the answer.
struct AnswerColumn {
  enum class Kind { kFeature, kJoinKey, kDistance, kTextRank };
  Kind kind;
  size_t position = 0;  // among the features that are read, or the join keys
  std::string name;
};

struct SearchPlan {
  std::shared_ptr<const FeatureView> view;
  std::vector<ColumnId> columns;  // features to read
  std::vector<AnswerColumn> answer;

  bool Has(AnswerColumn::Kind kind, size_t position) const {
    return std::any_of(answer.begin(), answer.end(), [&](const AnswerColumn& column) {
      return column.kind == kind && column.position == position;
    });
  }
};

// Everything an answer points into.
struct SearchData {
  SearchPlan plan;
  OnlineHits hits;
  std::vector<std::vector<OnlineCell>> keys;  // by join key
  std::vector<OnlineCell> distances, text_ranks;
  std::vector<FieldStatus> statuses;  // of the rows, and behind them of what is always there
  std::string names_json;
};

int FindJoinKey(const FeatureView& view, std::string_view name) {
  for (size_t i = 0; i < view.join_keys.size(); ++i) {
    if (view.join_keys[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

// A name that is no feature but stands for a column that every answer has.
bool AddOwnColumn(const FeatureView& view, std::string_view name, SearchPlan* plan) {
  using Kind = AnswerColumn::Kind;
  if (view.FindFeature(name) >= 0) return false;
  const int key = FindJoinKey(view, name);
  if (key < 0 && name != kDistance && name != kTextRank) return false;
  const Kind kind = key >= 0 ? Kind::kJoinKey : name == kDistance ? Kind::kDistance : Kind::kTextRank;
  plan->answer.push_back({kind, key >= 0 ? static_cast<size_t>(key) : 0, std::string(name)});
  return true;
}

Status SeveralViews(std::string_view one, std::string_view other) {
  return Status::InvalidArgument("documents are searched in one feature view, and the request names \"" +
                                     std::string(one) + "\" and \"" + std::string(other) +
                                     "\". Ask for one of them.",
                                 Reason::kBadFeatureReference);
}

Result<SearchPlan> PlanOfService(const RegistrySnapshot& snapshot, const DocumentRequest& request) {
  SALVER_ASSIGN(auto requested, ResolveFeatures(snapshot, request.features, request.feature_service, false));
  if (requested.size() != 1) return SeveralViews(requested[0].name, requested[1].name);
  SearchPlan plan{.view = requested[0].view};
  for (const RequestedFeature& feature : requested[0].features) {
    plan.answer.push_back({AnswerColumn::Kind::kFeature, plan.columns.size(), feature.name});
    plan.columns.push_back(feature.column);
  }
  return plan;
}

Result<SearchPlan> PlanOf(const RegistrySnapshot& snapshot, const DocumentRequest& request) {
  if (request.features.empty() || !request.feature_service.empty()) return PlanOfService(snapshot, request);
  SearchPlan plan;
  SALVER_ASSIGN(const FeatureReference first, ParseFeatureReference(request.features[0]));
  SALVER_ASSIGN(plan.view, snapshot.GetView(first.view));
  for (const std::string_view& text : request.features) {
    SALVER_ASSIGN(const FeatureReference reference, ParseFeatureReference(text));
    if (reference.view != first.view) return SeveralViews(first.view, reference.view);
    if (AddOwnColumn(*plan.view, reference.feature, &plan)) continue;
    SALVER_ASSIGN(const auto requested, ResolveFeatures(snapshot, std::span(&text, 1), {}, false));
    plan.answer.push_back(
        {AnswerColumn::Kind::kFeature, plan.columns.size(), std::string(reference.feature)});
    plan.columns.push_back(requested[0].features[0].column);
  }
  return plan;
}

// Which feature the vector is compared with, and how.
Status ReadVectorOf(const FeatureView& view, const DocumentRequest& request, OnlineSearch* search) {
  const int column = view.FindVector();
  if (column < 0) {
    return Status::InvalidArgument(
        "feature view \"" + view.name +
            "\" has no feature with a vector index, so no vector can be searched in it. "
            "Declare one: Field(..., vector_index=True, vector_length=...).",
        Reason::kBadFeatureReference);
  }
  const Field& feature = view.features[static_cast<size_t>(column)];
  for (const Field& other : view.features) {
    if (!other.vector_index || &other == &feature) continue;
    return Status::InvalidArgument("feature view \"" + view.name +
                                       "\" has two features with a vector index, \"" + feature.name +
                                       "\" and \"" + other.name + "\". Leave one.",
                                   Reason::kBadFeatureReference);
  }
  search->vector_column = static_cast<ColumnId>(column);
  search->query = request.query;
  const std::string_view metric =
      !feature.vector_search_metric.empty() ? feature.vector_search_metric : request.distance_metric;
  if (metric.empty()) return Status::OK();
  SALVER_ASSIGN(search->metric, DistanceMetricNamed(metric));
  return Status::OK();
}

// The cells of an encoded key's values, in the encoder's order. False for bytes that are no such key.
bool DecodeKey(std::string_view values, size_t count, std::vector<OnlineCell>* cells) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t type, size;
    if (values.size() < 8) return false;
    std::memcpy(&type, values.data(), 4);
    std::memcpy(&size, values.data() + 4, 4);
    values.remove_prefix(8);
    if (values.size() < size) return false;
    const std::string_view payload = values.substr(0, size);
    values.remove_prefix(size);
    const auto value_type = static_cast<ValueType>(type);
    if (IsStringLike(value_type)) {
      cells->push_back(OnlineCell::Bytes(payload));
      continue;
    }
    int64_t integer = 0;
    int32_t narrow = 0;
    if (size == sizeof integer) {
      std::memcpy(&integer, payload.data(), sizeof integer);
    } else if (size == sizeof narrow) {
      std::memcpy(&narrow, payload.data(), sizeof narrow);
      integer = narrow;
    } else {
      return false;
    }
    cells->push_back(
        OnlineCell::Integer(value_type == ValueType::kUnixTimestamp ? integer * 1'000'000 : integer));
  }
  return values.empty();
}

Status DecodeKeys(int key_version, SearchData* data) {
  const FeatureView& view = *data->plan.view;
  data->keys.resize(view.join_keys.size());
  if (view.entityless()) return Status::OK();
  SALVER_ASSIGN(const auto encoder, EntityKeyEncoder::Make(view.join_keys, key_version));
  for (const std::string& key : data->hits.keys) {
    std::vector<OnlineCell> cells;
    if (!key.starts_with(encoder.prefix()) ||
        !DecodeKey(std::string_view(key).substr(encoder.prefix().size()), encoder.order().size(), &cells)) {
      return Status::DataLoss(
          "feature view \"" + view.name +
          "\": a row that was found has a key that is not of its join keys. Materialize it again.");
    }
    for (size_t i = 0; i < cells.size(); ++i) data->keys[encoder.order()[i]].push_back(cells[i]);
  }
  return Status::OK();
}

OnlineResponse Assemble(const std::shared_ptr<SearchData>& data, int64_t oldest_us) {
  using Kind = AnswerColumn::Kind;
  OnlineHits& hits = data->hits;
  const size_t rows = hits.keys.size();
  const FeatureView& view = *data->plan.view;
  data->statuses.assign(2 * rows, FieldStatus::kPresent);
  for (size_t row = 0; row < rows; ++row) {
    if (hits.rows.event_us[row] < oldest_us) data->statuses[row] = FieldStatus::kOutsideMaxAge;
  }
  const auto statuses = std::span(data->statuses).first(rows), present = std::span(data->statuses).last(rows);
  const bool by_vector = !hits.distances.empty();
  for (const double rank : by_vector ? hits.distances : hits.text_ranks)
    data->distances.push_back(OnlineCell::Real(rank));
  for (const double rank : hits.text_ranks) data->text_ranks.push_back(OnlineCell::Real(rank));
  OnlineResponse response;
  response.row_count = rows;
  response.owner = data;
  for (const AnswerColumn& column : data->plan.answer) {
    const size_t at = column.position;
    if (column.kind == Kind::kFeature) {
      const Field& feature = view.features[data->plan.columns[at]];
      response.columns.push_back({column.name, feature.type, hits.rows.cells.data() + at * rows, statuses,
                                  hits.rows.event_us.data(), feature.struct_schema()});
    } else if (column.kind == Kind::kJoinKey) {
      response.columns.push_back(
          {column.name, view.join_keys[at].type, data->keys[at].data(), present, nullptr});
    } else {
      const auto& cells = column.kind == Kind::kDistance ? data->distances : data->text_ranks;
      response.columns.push_back(
          {column.name, ValueType::kDouble, cells.data(), present, hits.rows.event_us.data()});
    }
  }
  response.views.push_back({view.name, view.version_number});
  data->names_json = NamesJson(response.columns, [](const OnlineColumn& column) { return column.name; });
  response.names_json = data->names_json;
  return response;
}

// The columns that an answer has without being asked for: the distance, the rank, and the keys of what was
// found.
void AddOwnColumns(bool has_text, bool found, SearchPlan* plan) {
  using Kind = AnswerColumn::Kind;
  if (!plan->Has(Kind::kDistance, 0)) plan->answer.push_back({Kind::kDistance, 0, std::string(kDistance)});
  if (has_text && !plan->Has(Kind::kTextRank, 0))
    plan->answer.push_back({Kind::kTextRank, 0, std::string(kTextRank)});
  for (size_t key = 0; found && key < plan->view->join_keys.size(); ++key) {
    if (!plan->Has(Kind::kJoinKey, key))
      plan->answer.push_back({Kind::kJoinKey, key, plan->view->join_keys[key].name});
  }
}

}  // namespace

Result<OnlineResponse> OnlineServing::Search(const std::shared_ptr<const RegistrySnapshot>& snapshot,
                                             const DocumentRequest& request, int64_t now_us,
                                             Deadline deadline) {
  const bool has_text = !request.query_string.empty();
  if (request.query.empty() && (!has_text || request.first_version)) {
    return Status::InvalidArgument(request.first_version
                                       ? "the search has no query. Give the numbers of a vector."
                                       : "the search has neither a query, the numbers of a vector, nor a "
                                         "query_string, words. Give one of them.");
  }
  auto data = std::make_shared<SearchData>();
  SALVER_ASSIGN(data->plan, PlanOf(*snapshot, request));
  const FeatureView& view = *data->plan.view;
  SALVER_RETURN_NOT_OK(CheckServable(view));
  if (request.top_k * std::max<size_t>(data->plan.columns.size(), 1) > options_.cells_per_request_max) {
    return Status::ResourceExhausted("the request asks for " + std::to_string(request.top_k) + " rows of " +
                                         std::to_string(data->plan.columns.size()) + " features, more than " +
                                         std::to_string(options_.cells_per_request_max) +
                                         " values. Ask for fewer.",
                                     Reason::kLimit);
  }
  OnlineSearch search{.view = &view,
                      .text = request.first_version ? std::string_view() : request.query_string,
                      .top_k = request.top_k,
                      .filter = request.filters ? &*request.filters : nullptr,
                      .columns = data->plan.columns};
  if (!request.query.empty()) SALVER_RETURN_NOT_OK(ReadVectorOf(view, request, &search));
  const int64_t oldest_us = view.ttl_us == 0 ? std::numeric_limits<int64_t>::min() : now_us - view.ttl_us;
  if (!options_.serve_expired_values) search.oldest_event_us = oldest_us;
  SALVER_ASSIGN(data->hits, store_->Search(search, deadline));
  SALVER_RETURN_NOT_OK(DecodeKeys(options_.entity_key_version, data.get()));
  if (!request.first_version) AddOwnColumns(has_text, !data->hits.keys.empty(), &data->plan);
  return Assemble(data, oldest_us);
}

}  // namespace salver
