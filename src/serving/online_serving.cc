#include "serving/online_serving.h"

#include <algorithm>
#include <mutex>

#include "base/nearest.h"
#include "model/feature_request.h"
#include "salver/entity_key.h"
#include "salver/write_rule.h"
#include "serving/key_values.h"

namespace salver {

// A feature list, compiled: what to read, how to encode keys, and where each answer goes.
struct ServingPlan {
  struct KeyColumn {
    std::string name;  // column of the entity rows
    ValueType type;
  };
  struct View {
    std::shared_ptr<const FeatureView> view;
    EntityKeyEncoder encoder;
    std::vector<size_t> key_columns;  // of ServingPlan::key_columns, in the encoder's order
    std::vector<ColumnId> columns;    // to read
    std::vector<size_t> positions;    // of each, among the answer's features
    std::vector<std::string> names;
  };
  std::vector<KeyColumn> key_columns;
  std::vector<View> views;
  size_t feature_count = 0;
};

namespace {

constexpr size_t kCachedPlansMax = 1024;

// Everything an answer points into.
struct AnswerData {
  std::shared_ptr<const ServingPlan> plan;
  std::vector<std::vector<OnlineCell>> keys;  // per key column
  std::vector<OnlineRows> rows;               // per view
  ByteArena arena;                            // of the keys
};

Status CheckServable(const FeatureView& view) {
  if (view.state == FeatureViewState::kUnspecified || view.state == FeatureViewState::kAvailableOnline)
    return Status::OK();
  return Status::FailedPrecondition("feature view \"" + view.name + "\" is in state " +
                                        FeatureViewStateName(view.state) +
                                        " and can not be served. Materialize it first.",
                                    Reason::kViewState);
}

Result<std::shared_ptr<const ServingPlan>> Compile(const RegistrySnapshot& snapshot,
                                                   const OnlineRequest& request, int key_version) {
  SALVER_ASSIGN(auto requested, ResolveFeatures(snapshot, request.features, request.feature_service,
                                                request.full_feature_names));
  auto plan = std::make_shared<ServingPlan>();
  for (RequestedView& from : requested) {
    SALVER_RETURN_NOT_OK(CheckServable(*from.view));
    SALVER_ASSIGN(auto encoder, EntityKeyEncoder::Make(from.view->join_keys, key_version));
    ServingPlan::View view{from.view, std::move(encoder), {}, {}, {}, {}};
    for (const size_t key : view.encoder.order()) {
      const Field& join_key = from.view->join_keys[key];
      const std::string& name = from.EntityColumn(join_key.name);
      const auto same = [&](const ServingPlan::KeyColumn& c) {
        return c.name == name && c.type == join_key.type;
      };
      const auto found = std::find_if(plan->key_columns.begin(), plan->key_columns.end(), same);
      view.key_columns.push_back(static_cast<size_t>(found - plan->key_columns.begin()));
      if (found == plan->key_columns.end()) plan->key_columns.push_back({name, join_key.type});
    }
    for (RequestedFeature& feature : from.features) {
      view.columns.push_back(feature.column);
      view.positions.push_back(feature.position);
      view.names.push_back(std::move(feature.name));
      plan->feature_count = std::max(plan->feature_count, feature.position + 1);
    }
    plan->views.push_back(std::move(view));
  }
  return std::shared_ptr<const ServingPlan>(std::move(plan));
}

std::string CacheKey(const OnlineRequest& request) {
  std::string key(request.full_feature_names ? "f" : "s");
  key += request.feature_service;
  for (const std::string_view feature : request.features) {
    key += '\n';
    key += feature;
  }
  return key;
}

Result<size_t> CountRows(const OnlineRequest& request) {
  if (request.entities.empty()) {
    return Status::InvalidArgument("no entity rows were given. Name them as {\"driver_id\": [1001, 1002]}.",
                                   Reason::kMissingJoinKey);
  }
  const size_t rows = request.entities[0].values.size();
  for (const EntityColumn& column : request.entities) {
    if (column.values.size() == rows) continue;
    return Status::InvalidArgument("entity column \"" + std::string(column.name) + "\" has " +
                                       std::to_string(column.values.size()) + " rows and \"" +
                                       std::string(request.entities[0].name) + "\" has " +
                                       std::to_string(rows) + ". All columns need the same number.",
                                   Reason::kRaggedRows);
  }
  if (rows == 0) {
    return Status::InvalidArgument(
        "entity column \"" + std::string(request.entities[0].name) + "\" is empty. Give at least one row.",
        Reason::kMissingJoinKey);
  }
  return rows;
}

Status ConvertKeys(const ServingPlan& plan, const OnlineRequest& request, AnswerData* data) {
  for (const ServingPlan::KeyColumn& key : plan.key_columns) {
    const auto found = std::find_if(request.entities.begin(), request.entities.end(),
                                    [&](const EntityColumn& column) { return column.name == key.name; });
    if (found == request.entities.end()) {
      std::vector<std::string> names;
      for (const EntityColumn& column : request.entities) names.emplace_back(column.name);
      return Status::InvalidArgument("the entity rows have no column \"" + key.name +
                                         "\", which the requested views join on." +
                                         NearestNameHint(key.name, names),
                                     Reason::kMissingJoinKey);
    }
    std::vector<OnlineCell>& cells = data->keys.emplace_back();
    cells.reserve(found->values.size());
    for (size_t row = 0; row < found->values.size(); ++row) {
      SALVER_ASSIGN(const OnlineCell cell,
                    KeyCell(found->values[row], key.type, key.name, row, &data->arena));
      cells.push_back(cell);
    }
  }
  return Status::OK();
}

// The encoded keys of one view, one a row; `bytes` owns them.
void EncodeKeys(const ServingPlan::View& view, const ServingPlan& plan, const AnswerData& data, size_t rows,
                std::string* bytes, std::vector<std::string_view>* keys) {
  std::vector<size_t> ends;
  ends.reserve(rows);
  for (size_t row = 0; row < rows; ++row) {
    *bytes += view.encoder.prefix();
    for (const size_t column : view.key_columns)
      AppendKeyCell(data.keys[column][row], plan.key_columns[column].type, bytes);
    ends.push_back(bytes->size());
  }
  for (size_t row = 0, start = 0; row < rows; start = ends[row++]) {
    keys->push_back(std::string_view(*bytes).substr(start, ends[row] - start));
  }
}

// Status of each row of a view, by the one rule of visibility; an expired row's cells are emptied if so
// configured.
std::vector<FieldStatus> JudgeRows(const FeatureView& view, int64_t now_us, bool serve_expired,
                                   OnlineRows* rows) {
  std::vector<FieldStatus> statuses(rows->row_count, FieldStatus::kPresent);
  for (size_t row = 0; row < rows->row_count; ++row) {
    if (!rows->present[row]) {
      statuses[row] = FieldStatus::kNotFound;
    } else if (view.ttl_us != 0 && rows->event_us[row] < now_us - view.ttl_us) {
      statuses[row] = FieldStatus::kOutsideMaxAge;
      if (serve_expired) continue;
      for (size_t column = 0; column < rows->column_count; ++column) rows->at(row, column) = OnlineCell();
    }
  }
  return statuses;
}

OnlineResponse Assemble(const std::shared_ptr<AnswerData>& data, size_t rows, int64_t now_us,
                        bool serve_expired) {
  const ServingPlan& plan = *data->plan;
  OnlineResponse response;
  response.row_count = rows;
  response.owner = data;
  response.columns.resize(plan.key_columns.size() + plan.feature_count);
  const std::vector<FieldStatus> present(rows, FieldStatus::kPresent);
  for (size_t i = 0; i < plan.key_columns.size(); ++i) {
    response.columns[i] = {plan.key_columns[i].name, plan.key_columns[i].type, data->keys[i].data(), present,
                           nullptr};
  }
  for (size_t v = 0; v < plan.views.size(); ++v) {
    const ServingPlan::View& view = plan.views[v];
    OnlineRows& read = data->rows[v];
    const auto statuses = JudgeRows(*view.view, now_us, serve_expired, &read);
    for (size_t i = 0; i < view.columns.size(); ++i) {
      const Field& feature = view.view->features[view.columns[i]];
      response.columns[plan.key_columns.size() + view.positions[i]] = {
          view.names[i], feature.type,         read.cells.data() + i * rows,
          statuses,      read.event_us.data(), feature.struct_schema()};
    }
    response.views.push_back({view.view->name, view.view->version_number});
  }
  return response;
}

}  // namespace

const char* FieldStatusName(FieldStatus status) {
  switch (status) {
    case FieldStatus::kInvalid:
      return "INVALID";
    case FieldStatus::kPresent:
      return "PRESENT";
    case FieldStatus::kNullValue:
      return "NULL_VALUE";
    case FieldStatus::kNotFound:
      return "NOT_FOUND";
    case FieldStatus::kOutsideMaxAge:
      return "OUTSIDE_MAX_AGE";
  }
  return "INVALID";
}

Result<std::shared_ptr<const ServingPlan>> OnlineServing::PlanFor(
    const std::shared_ptr<const RegistrySnapshot>& snapshot, const OnlineRequest& request) {
  const std::string key = CacheKey(request);
  {
    std::shared_lock lock(mutex_);
    if (cached_for_ == snapshot) {
      if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
    }
  }
  SALVER_ASSIGN(auto plan, Compile(*snapshot, request, options_.entity_key_version));
  std::unique_lock lock(mutex_);
  if (cached_for_ != snapshot || plans_.size() >= kCachedPlansMax) plans_.clear();
  cached_for_ = snapshot;
  plans_[key] = plan;
  return plan;
}

Result<OnlineResponse> OnlineServing::Get(const std::shared_ptr<const RegistrySnapshot>& snapshot,
                                          const OnlineRequest& request, int64_t now_us, Deadline deadline) {
  SALVER_ASSIGN(const auto plan, PlanFor(snapshot, request));
  SALVER_ASSIGN(const size_t rows, CountRows(request));
  if (rows * plan->feature_count > options_.cells_per_request_max) {
    return Status::ResourceExhausted(
        "the request asks for " + std::to_string(rows) + " rows of " + std::to_string(plan->feature_count) +
            " features, more than " + std::to_string(options_.cells_per_request_max) + " values. Split it.",
        Reason::kLimit);
  }
  auto data = std::make_shared<AnswerData>();
  data->plan = plan;
  SALVER_RETURN_NOT_OK(ConvertKeys(*plan, request, data.get()));
  std::vector<std::string> bytes(plan->views.size());
  std::vector<std::vector<std::string_view>> keys(plan->views.size());
  std::vector<OnlineRead> reads;
  for (size_t i = 0; i < plan->views.size(); ++i) {
    EncodeKeys(plan->views[i], *plan, *data, rows, &bytes[i], &keys[i]);
    reads.push_back({plan->views[i].view.get(), keys[i], plan->views[i].columns});
  }
  SALVER_ASSIGN(data->rows, store_->Read(reads, deadline));
  return Assemble(data, rows, now_us, options_.serve_expired_values);
}

}  // namespace salver
