#include "engine/lowering.h"

#include <algorithm>
#include <map>

#include "engine/sql_rows.h"

namespace salver {
namespace {

Status Malformed(const DAGNode& node, const std::string& why) {
  return Status::Internal("plan node " + std::to_string(node.id) + " (" + KindName(node) + ") " + why +
                          ". Check the plan before it runs.");
}

class Lowering {
 public:
  explicit Lowering(const ExecutionPlan& plan) : plan_(plan) {}

  Result<LoweredPlan> Historical() {
    for (size_t at = 0; at < plan_.nodes.size(); ++at) {
      const DAGNode& node = plan_.nodes[at];
      if (const auto* keys = node.As<EncodeKeysNode>()) {
        positions_[node.id] = lowered_.keys.size();
        lowered_.keys.push_back({keys->entity_columns, keys->join_keys});
        lowered_.key_nodes.push_back(at);
      } else if (IsRows(node)) {
        if (!IsScanned(node)) continue;
        positions_[node.id] = lowered_.scans.size();
        lowered_.scans.push_back(Scan(node));
        lowered_.scan_nodes.push_back(at);
      } else if (const auto* join = node.As<PointInTimeJoinNode>()) {
        SALVER_RETURN_NOT_OK(Join(node, *join));
        lowered_.join_nodes.push_back(at);
      } else if (const auto* gather = node.As<GatherNode>()) {
        lowered_.time_column = gather->time_column;
        lowered_.output_count = gather->output_count;
      } else if (const auto* aggregate = node.As<AggregateNode>()) {
        SALVER_RETURN_NOT_OK(Aggregate(node, *aggregate));
        lowered_.aggregate_nodes.push_back(at);
      } else {
        return Malformed(node, "is no part of a historical retrieval");
      }
    }
    for (size_t i = 0; i < lowered_.scans.size(); ++i) {
      const DAGNode& node = plan_.nodes[lowered_.scan_nodes[i]];
      const auto* read = node.As<ReadNode>();
      if (read != nullptr && read->asked_keys.size() == 1)
        lowered_.scans[i].asked = {positions_[node.inputs[0]], read->asked_keys[0]};
    }
    return std::move(lowered_);
  }

  Result<LatestRowsNode> Latest() const {
    const DAGNode& root = plan_.nodes.back();
    const auto* newest = root.As<NewestRowsNode>();
    const DAGNode* rows = newest == nullptr || root.inputs.size() != 1 ? nullptr : plan_.Find(root.inputs[0]);
    if (rows == nullptr) return Malformed(root, "is no NewestRows over rows");
    if (const auto* aggregate = rows->As<AggregateNode>()) return Aggregated(*rows, *aggregate, *newest);
    if (!IsRows(*rows)) return Malformed(root, "is no NewestRows over rows");
    return LatestRowsNode{Scan(*rows), newest->join_keys, newest->features, newest->start_us, newest->end_us};
  }

 private:
  static bool IsRows(const DAGNode& node) {
    return node.As<ReadNode>() != nullptr || node.As<SqlTransformNode>() != nullptr;
  }
  // False for rows that only SQL reads.
  bool IsScanned(const DAGNode& node) const {
    const auto users = plan_.UsersOf(node.id);
    return std::any_of(users.begin(), users.end(),
                       [](const DAGNode* user) { return user->As<SqlTransformNode>() == nullptr; });
  }

  ScanNode Scan(const DAGNode& node) const {
    if (const auto* read = node.As<ReadNode>())
      return {read->source, read->event_column, read->created_column, read->look_back_us};
    const auto* sql = node.As<SqlTransformNode>();
    return {SqlRows::SourceOf(node), sql->event_column, sql->created_column, LookBack(node)};
  }

  // How far before the first label joins on the rows of SQL look; none: as far as there are rows.
  std::optional<int64_t> LookBack(const DAGNode& node) const {
    int64_t look_back = 0;
    for (const DAGNode* user : plan_.UsersOf(node.id)) {
      const auto* join = user->As<PointInTimeJoinNode>();
      if (join == nullptr || join->ttl_us == 0) return std::nullopt;
      look_back = std::max(look_back, join->ttl_us);
    }
    return look_back;
  }

  // Aggregates at the end of the interval.
  Result<LatestRowsNode> Aggregated(const DAGNode& node, const AggregateNode& aggregate,
                                    const NewestRowsNode& newest) const {
    const DAGNode* rows = node.inputs.size() != 1 ? nullptr : plan_.Find(node.inputs[0]);
    if (rows == nullptr || !aggregate.at) return Malformed(node, "is no Aggregate at one moment over rows");
    if (!IsRows(*rows)) return Malformed(node, "is no Aggregate over rows");
    return LatestRowsNode{Scan(*rows),     newest.join_keys, newest.features,
                          newest.start_us, newest.end_us,    aggregate.columns};
  }

  Status Aggregate(const DAGNode& node, const AggregateNode& aggregate) {
    SALVER_ASSIGN(const auto inputs, KeysAndRows(node));
    lowered_.aggregates.push_back({inputs.second, inputs.first, aggregate.view, aggregate.key_columns,
                                   aggregate.created_cut, aggregate.columns});
    return Status::OK();
  }

  Status Join(const DAGNode& node, const PointInTimeJoinNode& join) {
    SALVER_ASSIGN(const auto inputs, KeysAndRows(node));
    lowered_.joins.push_back({inputs.second, inputs.first, join.view, join.key_columns, join.ttl_us,
                              join.created_cut, join.outputs});
    return Status::OK();
  }

  // The positions of a node's keys, and of its scan.
  Result<std::pair<size_t, size_t>> KeysAndRows(const DAGNode& node) {
    if (node.inputs.size() != 2) return Malformed(node, "has no keys and rows as inputs");
    const DAGNode *keys = plan_.Find(node.inputs[0]), *rows = plan_.Find(node.inputs[1]);
    if (keys == nullptr || keys->As<EncodeKeysNode>() == nullptr || !positions_.contains(keys->id))
      return Malformed(node, "has no EncodeKeys before it");
    if (rows == nullptr || !IsRows(*rows) || !positions_.contains(rows->id))
      return Malformed(node, "has no rows before it");
    return std::pair(positions_[keys->id], positions_[rows->id]);
  }

  const ExecutionPlan& plan_;
  LoweredPlan lowered_;
  std::map<NodeId, size_t> positions_;  // among the scans or keys
};

NodeReport ScanReport(const RunReport::Scan& scan, bool ran) {
  NodeReport report{.files = scan.files,
                    .row_groups = scan.row_groups,
                    .row_groups_needed = scan.row_groups_needed,
                    .rows = scan.rows,
                    .rows_needed = scan.rows_needed,
                    .bytes = scan.bytes};
  if (!ran) return report;
  report.rows_out = scan.rows_kept;
  report.time_us = scan.time_us;
  return report;
}

NodeReport JoinReport(const RunReport::Join& join, bool ran) {
  NodeReport report{.row_groups_needed = join.row_groups, .bytes = join.bytes};
  if (!ran) return report;
  report.rows_out = join.matched;
  report.time_us = join.time_us;
  return report;
}

NodeReport AggregateReport(const RunReport::Aggregate& aggregate, const LabelTimes& labels, bool ran) {
  NodeReport report{.row_groups_needed = aggregate.row_groups, .bytes = aggregate.bytes};
  if (!ran) return report;
  report.rows_in = aggregate.rows_kept;
  report.rows_out = labels.rows;
  report.time_us = aggregate.time_us;
  return report;
}

}  // namespace

Result<LoweredPlan> LowerHistorical(const ExecutionPlan& plan) {
  return Lowering(plan).Historical();
}

Result<LatestRowsNode> LowerLatest(const ExecutionPlan& plan) {
  return Lowering(plan).Latest();
}

PlanReport RaiseReport(const ExecutionPlan& plan, const LoweredPlan& lowered, const RunReport& run) {
  PlanReport report{.labels = run.labels, .ran = run.ran, .threads = run.threads};
  report.nodes.resize(plan.nodes.size());
  for (size_t i = 0; i < run.scans.size(); ++i)
    report.nodes[lowered.scan_nodes[i]] = ScanReport(run.scans[i], run.ran);
  for (size_t i = 0; i < run.joins.size(); ++i) {
    NodeReport& join = report.nodes[lowered.join_nodes[i]];
    join = JoinReport(run.joins[i], run.ran);
    if (run.ran) join.rows_in = run.scans[lowered.joins[i].scan].rows_kept;
  }
  for (size_t i = 0; i < run.aggregates.size(); ++i)
    report.nodes[lowered.aggregate_nodes[i]] = AggregateReport(run.aggregates[i], run.labels, run.ran);
  if (!run.ran) return report;
  for (size_t i = 0; i < run.keys.size(); ++i) {
    NodeReport& keys = report.nodes[lowered.key_nodes[i]];
    keys.rows_in = run.labels.rows;
    keys.rows_out = run.keys[i].distinct;
    keys.time_us = run.keys[i].time_us;
  }
  report.steps = {{"open", run.open_us},
                  {"scan", run.scan_us},
                  {"index", run.index_us},
                  {"join", run.join_us},
                  {"gather", run.gather_us}};
  if (!lowered.aggregates.empty()) report.steps.emplace_back("aggregate", run.aggregate_us);
  report.peak_bytes = run.peak_bytes;
  return report;
}

}  // namespace salver
