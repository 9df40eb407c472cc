#include "plan/feature_builder.h"

#include <algorithm>

#include "base/nearest.h"
#include "plan/feature_columns.h"

namespace salver {
namespace {

// Where a view's rows are, and under which names.
struct RowsOfView {
  NodeId node = 0;
  std::string event_column, created_column;
  std::map<std::string, std::string> columns;  // view's name -> column; a name that is not here is its own

  const std::string& Column(const std::string& name) const {
    const auto found = columns.find(name);
    return found == columns.end() ? name : found->second;
  }
};

// Adds the nodes of views to a plan. A view that can not be read is a problem, and gets no nodes.
class PlanWriter {
 public:
  PlanWriter(const RegistrySnapshot& snapshot, ExecutionPlan* plan, Problems* problems)
      : snapshot_(snapshot), plan_(plan), problems_(problems) {}

  // The rows before aggregation.
  std::optional<RowsOfView> Rows(const FeatureView& view) {
    if (!Enter(view)) return std::nullopt;
    auto rows = !view.sql.empty()            ? SqlRows(view)
                : !view.source_views.empty() ? UpstreamRows(view)
                                             : SourceRows(view);
    path_.pop_back();
    return rows;
  }

  // The Join or Aggregate that answers one view of a request; 0 when it can not be read.
  NodeId Features(const RequestedView& requested, const HistoricalPlanOptions& options) {
    const FeatureView& view = *requested.view;
    const auto rows = Rows(view);
    if (!rows) return 0;
    EncodeKeysNode keys;
    std::vector<std::string> key_columns;
    for (const Field& key : view.join_keys) {
      keys.entity_columns.push_back(requested.EntityColumn(key.name));
      keys.join_keys.push_back(key);
      key_columns.push_back(rows->Column(key.name));
    }
    const bool cut = options.created_cut && !rows->created_column.empty();
    const NodeId key_node = plan_->Add({}, std::move(keys));
    if (!view.aggregations.empty()) {
      AggregateNode node{requested.name, std::move(key_columns), cut, {}, {}};
      for (const RequestedFeature& feature : requested.features) {
        Field field = view.features[feature.column];
        const Aggregation* aggregation = FindAggregation(view, field.name);
        if (aggregation == nullptr) continue;
        field.name = feature.name;
        node.columns.push_back(Aggregated(*aggregation, *rows, std::move(field), feature.position));
      }
      return plan_->Add({key_node, rows->node}, std::move(node));
    }
    PointInTimeJoinNode join{requested.name,
                             std::move(key_columns),
                             view.ttl_us != 0 ? view.ttl_us : options.default_ttl_us,
                             cut,
                             {}};
    for (const RequestedFeature& feature : requested.features) {
      Field field = view.features[feature.column];
      std::string column = rows->Column(field.name);
      field.name = feature.name;
      join.outputs.push_back({std::move(column), std::move(field), feature.position});
    }
    return plan_->Add({key_node, rows->node}, std::move(join));
  }

  void Newest(const FeatureView& view, TimeInterval range, bool with_features) {
    auto rows = Rows(view);
    if (!rows) return;
    if (!view.aggregations.empty() && with_features) rows = AggregatedAt(view, *rows, range);
    NewestRowsNode node{view.name, {}, {}, range.start_us, range.end_us};
    const auto renamed = [&](Field field) {
      field.name = rows->Column(field.name);
      return field;
    };
    for (const Field& key : view.join_keys) node.join_keys.push_back(renamed(key));
    for (const Field& feature : view.features) {
      if (with_features) node.features.push_back(renamed(feature));
    }
    plan_->Add({rows->node}, std::move(node));
  }

 private:
  // False, and a problem, when `view` is made of itself.
  bool Enter(const FeatureView& view) {
    const auto begin = std::find(path_.begin(), path_.end(), view.name);
    if (begin == path_.end()) {
      path_.push_back(view.name);
      return true;
    }
    std::string circle;
    for (auto at = begin; at != path_.end(); ++at) circle += "\"" + *at + "\" <- ";
    problems_->Add("feature view \"" + view.name + "\" is made of its own rows: " + circle + "\"" +
                       view.name + "\". Take one of them out of the circle.",
                   Reason::kBadDefinition);
    return false;
  }

  std::optional<RowsOfView> SourceRows(const FeatureView& view) {
    if (!view.batch_source) {
      problems_->Add("feature view \"" + view.name +
                         "\" has no batch source, so it has no history to read. Give it one.",
                     Reason::kBadSource, StatusCode::kFailedPrecondition);
      return std::nullopt;
    }
    const DataSource& source = *view.batch_source;
    RowsOfView rows{0, source.timestamp_field, source.created_timestamp_column, {}};
    for (const auto& [column, name] : source.field_mapping) rows.columns.try_emplace(name, column);
    ReadNode read{.source = source, .event_column = rows.event_column, .created_column = rows.created_column};
    rows.node = plan_->Add({}, std::move(read));
    return rows;
  }

  std::shared_ptr<const FeatureView> Upstream(const FeatureView& view, const std::string& name) {
    auto upstream = snapshot_.FindView(name);
    std::vector<std::string> names;
    for (const auto& have : snapshot_.views()) names.push_back(have->name);
    if (upstream == nullptr) {
      problems_->Add("feature view \"" + view.name + "\" is made of feature view \"" + name +
                         "\", which is not in project \"" + snapshot_.project() + "\"." +
                         NearestNameHint(name, names),
                     Reason::kViewNotFound, StatusCode::kNotFound);
    } else if (!upstream->aggregations.empty()) {
      problems_->Add("feature view \"" + view.name + "\" is made of feature view \"" + name +
                         "\", which aggregates at each label's own time and so has no rows to read. Make it "
                         "of that view's source.",
                     Reason::kBadDefinition);
      upstream = nullptr;
    }
    return upstream;
  }

  std::optional<RowsOfView> UpstreamRows(const FeatureView& view) {
    if (view.source_views.size() > 1) {
      problems_->Add("feature view \"" + view.name + "\" is made of " +
                         std::to_string(view.source_views.size()) +
                         " feature views and has no SQL that says how. Give it one source view, or SQL.",
                     Reason::kBadDefinition);
      return std::nullopt;
    }
    const auto upstream = Upstream(view, view.source_views[0]);
    return upstream == nullptr ? std::nullopt : Rows(*upstream);
  }

  std::optional<RowsOfView> SqlRows(const FeatureView& view) {
    SqlTransformNode node{.view = view.name, .sql = view.sql};
    std::vector<NodeId> inputs;
    std::string event_column;
    if (view.source_views.empty()) {
      const auto rows = SourceRows(view);
      if (!rows) return std::nullopt;
      inputs.push_back(rows->node);
      node.tables.push_back({view.batch_source->name, {}});
      event_column = rows->event_column;
      node.created_column = rows->created_column;
    }
    bool whole = true;
    for (const std::string& name : view.source_views) {
      const auto upstream = Upstream(view, name);
      const auto rows = upstream == nullptr ? std::nullopt : Rows(*upstream);
      whole = whole && rows;
      if (!rows) continue;
      inputs.push_back(rows->node);
      node.tables.push_back({name, ColumnsSeen(*upstream, *rows)});
      if (event_column.empty()) event_column = rows->event_column;
    }
    if (!whole) return std::nullopt;
    // The sink's times, when there is one, are those of the rows that come out.
    const bool sink = !view.source_views.empty() && view.batch_source;
    node.event_column = sink ? view.batch_source->timestamp_field : event_column;
    if (sink) node.created_column = view.batch_source->created_timestamp_column;
    node.output = view.join_keys;
    node.output.insert(node.output.end(), view.features.begin(), view.features.end());
    RowsOfView rows{0, node.event_column, node.created_column, {}};
    rows.node = plan_->Add(std::move(inputs), std::move(node));
    return rows;
  }

  // What SQL over a view sees: its join keys, its times and its features.
  static std::vector<std::pair<std::string, std::string>> ColumnsSeen(const FeatureView& view,
                                                                      const RowsOfView& rows) {
    std::vector<std::pair<std::string, std::string>> columns;
    for (const Field& key : view.join_keys) columns.emplace_back(rows.Column(key.name), key.name);
    columns.emplace_back(rows.event_column, rows.event_column);
    if (!rows.created_column.empty()) columns.emplace_back(rows.created_column, rows.created_column);
    for (const Field& feature : view.features) columns.emplace_back(rows.Column(feature.name), feature.name);
    return columns;
  }

  const Aggregation* FindAggregation(const FeatureView& view, const std::string& feature) {
    std::vector<std::string> names;
    for (const Aggregation& aggregation : view.aggregations) {
      names.push_back(aggregation.FeatureName());
      if (names.back() == feature) return &aggregation;
    }
    problems_->Add("feature \"" + feature + "\" of feature view \"" + view.name +
                       "\" is none of its aggregations." + NearestNameHint(feature, names),
                   Reason::kBadDefinition);
    return nullptr;
  }

  static AggregateNode::Column Aggregated(const Aggregation& aggregation, const RowsOfView& rows, Field field,
                                          size_t position) {
    return {aggregation.function,
            aggregation.window_us,
            {rows.Column(aggregation.column), std::move(field), position}};
  }

  RowsOfView AggregatedAt(const FeatureView& view, const RowsOfView& rows, TimeInterval range) {
    AggregateNode node{view.name, {}, false, {}, range};
    for (const Field& key : view.join_keys) node.key_columns.push_back(rows.Column(key.name));
    for (size_t i = 0; i < view.features.size(); ++i) {
      if (const Aggregation* aggregation = FindAggregation(view, view.features[i].name))
        node.columns.push_back(Aggregated(*aggregation, rows, view.features[i], i));
    }
    RowsOfView aggregated{0, rows.event_column, "", {}};
    for (const Field& key : view.join_keys) aggregated.columns[key.name] = rows.Column(key.name);
    aggregated.node = plan_->Add({rows.node}, std::move(node));
    return aggregated;
  }

  const RegistrySnapshot& snapshot_;
  ExecutionPlan* const plan_;
  Problems* const problems_;
  std::vector<std::string> path_;  // of views being read, from the first to the one it is made of
};

}  // namespace

Result<ExecutionPlan> FeatureBuilder::Historical(std::span<const RequestedView> views,
                                                 const HistoricalPlanOptions& options) const {
  ExecutionPlan plan;
  Problems problems;
  PlanWriter writer(snapshot_, &plan, &problems);
  GatherNode gather{options.time_column, 0};
  std::vector<NodeId> inputs;
  for (const RequestedView& view : views) {
    inputs.push_back(writer.Features(view, options));
    gather.output_count += view.features.size();
  }
  SALVER_RETURN_NOT_OK(problems.ToStatus());
  plan.Add(std::move(inputs), std::move(gather));
  return plan;
}

Result<ExecutionPlan> FeatureBuilder::Latest(const FeatureView& view, TimeInterval range,
                                             bool with_features) const {
  ExecutionPlan plan;
  Problems problems;
  PlanWriter(snapshot_, &plan, &problems).Newest(view, range, with_features);
  SALVER_RETURN_NOT_OK(problems.ToStatus());
  return plan;
}

}  // namespace salver
