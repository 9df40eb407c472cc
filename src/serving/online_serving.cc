#include "serving/online_serving.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory_resource>

#include "base/nearest.h"
#include "model/feature_request.h"
#include "online/batch_rows.h"
#include "salver/entity_key.h"
#include "salver/write_rule.h"
#include "serving/key_values.h"
#include "serving/names_json.h"

namespace salver {

// A feature list, compiled: what to read, how to encode keys, and where each answer goes.
struct ServingPlan {
  struct KeyColumn {
    std::string name;  // column of the entity rows
    ValueType type;
    bool operator==(const KeyColumn&) const = default;
  };
  // Views with the same join keys share the encoded keys.
  struct KeySet {
    std::string prefix;           // of every key
    std::vector<size_t> columns;  // of ServingPlan::key_columns, in the encoder's order
    bool operator==(const KeySet&) const = default;
  };
  struct View {
    std::shared_ptr<const FeatureView> view;
    size_t key_set;
    std::vector<ColumnId> columns;  // to read
    std::vector<size_t> positions;  // of each, among the answer's features
    std::vector<std::string> names;
    uint64_t schema_hash;
  };
  std::vector<KeyColumn> key_columns;
  std::vector<KeySet> key_sets;
  std::vector<View> views;
  size_t feature_count = 0;
  // What all answers have; columns without their rows. They point into this plan.
  std::vector<OnlineColumn> columns;
  std::vector<OnlineResponse::ViewVersion> versions;
  std::string names_json;
  // Of a precomputed service of several views with the same keys; the store may have it. Or "".
  std::string pack;
};

namespace {

constexpr size_t kCachedPlansMax = 1024;

// Everything an answer points into.
struct AnswerData {
  std::shared_ptr<const ServingPlan> plan;
  std::vector<OnlineCell> keys;       // [key column * rows + row]
  std::vector<OnlineRows> rows;       // per view
  std::vector<FieldStatus> statuses;  // [view * rows + row], and those of the keys behind them
  ByteArena arena;                    // of keys that are text
};

// Where `item` is in `items`; it is put at the end when it is not there.
template <typename T>
size_t IndexOf(T item, std::vector<T>* items) {
  const size_t at = static_cast<size_t>(std::find(items->begin(), items->end(), item) - items->begin());
  if (at == items->size()) items->push_back(std::move(item));
  return at;
}

// What all answers of a plan have in common, when the rest of it stays where it is.
void DescribeAnswer(ServingPlan* plan) {
  const size_t keys = plan->key_columns.size();
  plan->columns.resize(keys + plan->feature_count);
  for (size_t i = 0; i < keys; ++i) {
    plan->columns[i].name = plan->key_columns[i].name;
    plan->columns[i].type = plan->key_columns[i].type;
  }
  for (const ServingPlan::View& view : plan->views) {
    for (size_t i = 0; i < view.columns.size(); ++i) {
      const Field& feature = view.view->features[view.columns[i]];
      OnlineColumn& column = plan->columns[keys + view.positions[i]];
      column.name = view.names[i];
      column.type = feature.type;
      column.struct_schema = feature.struct_schema();
    }
    plan->versions.push_back({view.view->name, view.view->version_number,
                              keys + (view.positions.empty() ? 0 : view.positions[0]), view.columns.size()});
  }
  plan->names_json = NamesJson(plan->columns, [](const OnlineColumn& column) { return column.name; });
}

Result<std::shared_ptr<const ServingPlan>> Compile(const RegistrySnapshot& snapshot,
                                                   const OnlineRequest& request, int key_version) {
  SALVER_ASSIGN(auto requested, ResolveFeatures(snapshot, request.features, request.feature_service,
                                                request.full_feature_names));
  auto plan = std::make_shared<ServingPlan>();
  for (RequestedView& from : requested) {
    SALVER_RETURN_NOT_OK(CheckServable(*from.view));
    SALVER_ASSIGN(const auto encoder, EntityKeyEncoder::Make(from.view->join_keys, key_version));
    ServingPlan::KeySet keys{std::string(encoder.prefix()), {}};
    for (const size_t key : encoder.order()) {
      const Field& join_key = from.view->join_keys[key];
      const std::string& name = from.EntityColumn(join_key.name);
      keys.columns.push_back(IndexOf(ServingPlan::KeyColumn{name, join_key.type}, &plan->key_columns));
    }
    ServingPlan::View view{
        from.view, IndexOf(std::move(keys), &plan->key_sets), {}, {}, {}, SchemaHashOf(*from.view)};
    for (RequestedFeature& feature : from.features) {
      view.columns.push_back(feature.column);
      view.positions.push_back(feature.position);
      view.names.push_back(std::move(feature.name));
      plan->feature_count = std::max(plan->feature_count, feature.position + 1);
    }
    plan->views.push_back(std::move(view));
  }
  DescribeAnswer(plan.get());
  if (!request.feature_service.empty()) {
    SALVER_ASSIGN(const auto service, snapshot.GetService(request.feature_service));
    if (service->precompute_online && plan->key_sets.size() == 1 && plan->views.size() > 1)
      plan->pack = service->name;
  }
  return std::shared_ptr<const ServingPlan>(std::move(plan));
}

void WriteCacheKey(const OnlineRequest& request, std::string* key) {
  *key = request.full_feature_names ? 'f' : 's';
  *key += request.feature_service;
  for (const std::string_view feature : request.features) (*key += '\n') += feature;
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

Status ConvertKeys(const ServingPlan& plan, const OnlineRequest& request, size_t rows, AnswerData* data) {
  data->keys.reserve(plan.key_columns.size() * rows);
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
    for (size_t row = 0; row < found->values.size(); ++row) {
      SALVER_ASSIGN(const OnlineCell cell,
                    KeyCell(found->values[row], key.type, key.name, row, &data->arena));
      data->keys.push_back(cell);
    }
  }
  return Status::OK();
}

// The encoded keys of one request.
class EncodedKeys {
 public:
  // `memory` is for what is small beside the keys' bytes.
  EncodedKeys(const ServingPlan& plan, const AnswerData& data, size_t rows, std::pmr::memory_resource* memory)
      : rows_(rows), keys_(memory) {
    constexpr size_t kLikely = 24;  // bytes of a key's value and what is said of it
    std::pmr::vector<size_t> ends(memory);
    ends.reserve(plan.key_sets.size() * rows);
    size_t bytes = 0;
    for (const ServingPlan::KeySet& set : plan.key_sets)
      bytes += set.prefix.size() + set.columns.size() * kLikely;
    bytes_.reserve(bytes * rows);
    for (const ServingPlan::KeySet& set : plan.key_sets) {
      for (size_t row = 0; row < rows; ++row) {
        bytes_ += set.prefix;
        for (const size_t column : set.columns)
          AppendKeyCell(data.keys[column * rows + row], plan.key_columns[column].type, &bytes_);
        ends.push_back(bytes_.size());
      }
    }
    keys_.reserve(ends.size());
    size_t start = 0;
    for (const size_t end : ends) {
      keys_.push_back(std::string_view(bytes_).substr(start, end - start));
      start = end;
    }
  }
  EncodedKeys(const EncodedKeys&) = delete;

  // One a row.
  std::span<const std::string_view> of(size_t key_set) const {
    return std::span(keys_).subspan(key_set * rows_, rows_);
  }

 private:
  const size_t rows_;
  std::string bytes_;
  std::pmr::vector<std::string_view> keys_;  // in bytes_
};

// Status of each row of a view, by the one rule of visibility; an expired row's cells are emptied if so
// configured.
void JudgeRows(const FeatureView& view, int64_t now_us, bool serve_expired, OnlineRows* rows,
               std::span<FieldStatus> statuses) {
  for (size_t row = 0; row < rows->row_count; ++row) {
    if (!rows->present[row]) {
      statuses[row] = FieldStatus::kNotFound;
    } else if (view.ttl_us != 0 && rows->event_us[row] < now_us - view.ttl_us) {
      statuses[row] = FieldStatus::kOutsideMaxAge;
      if (serve_expired) continue;
      for (size_t column = 0; column < rows->column_count; ++column) rows->at(row, column) = OnlineCell();
    }
  }
}

OnlineResponse Assemble(const std::shared_ptr<AnswerData>& data, size_t rows, int64_t now_us,
                        bool serve_expired) {
  const ServingPlan& plan = *data->plan;
  OnlineResponse response;
  response.row_count = rows;
  response.owner = data;
  response.names_json = plan.names_json;
  response.columns = plan.columns;
  response.views = plan.versions;
  data->statuses.resize((plan.views.size() + 1) * rows, FieldStatus::kPresent);
  const auto statuses_of = [&](size_t view) { return std::span(data->statuses).subspan(view * rows, rows); };
  OnlineColumn* const keys = response.columns.data();
  for (size_t i = 0; i < plan.key_columns.size(); ++i) {
    keys[i].cells = data->keys.data() + i * rows;
    keys[i].statuses = statuses_of(plan.views.size());
  }
  OnlineColumn* const features = keys + plan.key_columns.size();
  for (size_t v = 0; v < plan.views.size(); ++v) {
    const ServingPlan::View& view = plan.views[v];
    OnlineRows& read = data->rows[v];
    const auto statuses = statuses_of(v);
    JudgeRows(*view.view, now_us, serve_expired, &read, statuses);
    for (size_t i = 0; i < view.positions.size(); ++i) {
      OnlineColumn& column = features[view.positions[i]];
      column.cells = read.cells.data() + i * rows;
      column.statuses = statuses;
      column.event_us = read.event_us.data();
    }
  }
  return response;
}

}  // namespace

Status CheckServable(const FeatureView& view) {
  if (view.state == FeatureViewState::kUnspecified || view.state == FeatureViewState::kAvailableOnline)
    return Status::OK();
  return Status::FailedPrecondition("feature view \"" + view.name + "\" is in state " +
                                        FeatureViewStateName(view.state) +
                                        " and can not be served. Materialize it first.",
                                    Reason::kViewState);
}

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
  Plans& known = plans_.Local();
  WriteCacheKey(request, &known.key);
  if (known.snapshot != snapshot) {
    known.plans.clear();
    known.snapshot = snapshot;
  }
  if (const auto found = known.plans.find(known.key); found != known.plans.end()) return found->second;
  SALVER_ASSIGN(auto plan, Compile(*snapshot, request, options_.entity_key_version));
  if (known.plans.size() >= kCachedPlansMax) known.plans.clear();
  return known.plans[known.key] = std::move(plan);
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
  SALVER_RETURN_NOT_OK(ConvertKeys(*plan, request, rows, data.get()));
  std::array<std::byte, 1024> few;  // requests for few rows need no more
  std::pmr::monotonic_buffer_resource memory(few.data(), few.size());
  const EncodedKeys keys(*plan, *data, rows, &memory);
  std::pmr::vector<OnlineRead> reads(&memory);
  reads.reserve(plan->views.size());
  for (const ServingPlan::View& view : plan->views)
    reads.push_back({view.view.get(), keys.of(view.key_set), view.columns, view.schema_hash});
  OnlineTimes times{.planned = std::chrono::steady_clock::now()};
  SALVER_ASSIGN(data->rows, plan->pack.empty() ? store_->Read(reads, deadline)
                                               : store_->ReadPack(plan->pack, reads, deadline));
  times.read = std::chrono::steady_clock::now();
  OnlineResponse response = Assemble(data, rows, now_us, options_.serve_expired_values);
  response.times = times;
  return response;
}

}  // namespace salver
