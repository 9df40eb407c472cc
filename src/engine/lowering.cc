#include "engine/lowering.h"

#include <map>

namespace salver {
namespace {

Status NotRun(const DAGNode& node, const std::string& view) {
  const char* what = node.As<AggregateNode>() != nullptr ? "aggregations over time windows" : "SQL";
  return Status::Unimplemented("feature view \"" + view + "\" is computed by " + what +
                                   ", which the local engine does not run yet. Ask for the features of "
                                   "views over a source.",
                               Reason::kNotExecutedYet);
}

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
      } else if (const auto* read = node.As<ReadNode>()) {
        positions_[node.id] = lowered_.scans.size();
        lowered_.scans.push_back(Scan(*read));
        lowered_.scan_nodes.push_back(at);
      } else if (const auto* join = node.As<PointInTimeJoinNode>()) {
        SALVER_RETURN_NOT_OK(Join(node, *join));
        lowered_.join_nodes.push_back(at);
      } else if (const auto* gather = node.As<GatherNode>()) {
        lowered_.time_column = gather->time_column;
        lowered_.output_count = gather->output_count;
      } else if (const auto* sql = node.As<SqlTransformNode>()) {
        return NotRun(node, sql->view);
      } else if (const auto* aggregate = node.As<AggregateNode>()) {
        return NotRun(node, aggregate->view);
      } else {
        return Malformed(node, "is no part of a historical retrieval");
      }
    }
    return std::move(lowered_);
  }

  Result<LatestRowsNode> Latest() const {
    const DAGNode& root = plan_.nodes.back();
    const auto* newest = root.As<NewestRowsNode>();
    const DAGNode* rows = newest == nullptr || root.inputs.size() != 1 ? nullptr : plan_.Find(root.inputs[0]);
    if (rows == nullptr) return Malformed(root, "is no NewestRows over rows");
    const auto* read = rows->As<ReadNode>();
    if (read == nullptr) return NotRun(*rows, newest->view);
    return LatestRowsNode{Scan(*read), newest->join_keys, newest->features, newest->start_us, newest->end_us};
  }

 private:
  static ScanNode Scan(const ReadNode& read) {
    return {read.source, read.event_column, read.created_column, read.look_back_us};
  }

  Status Join(const DAGNode& node, const PointInTimeJoinNode& join) {
    if (node.inputs.size() != 2) return Malformed(node, "has no keys and rows as inputs");
    const DAGNode *keys = plan_.Find(node.inputs[0]), *rows = plan_.Find(node.inputs[1]);
    if (keys == nullptr || keys->As<EncodeKeysNode>() == nullptr || !positions_.contains(keys->id))
      return Malformed(node, "has no EncodeKeys before it");
    if (rows == nullptr || rows->As<ReadNode>() == nullptr || !positions_.contains(rows->id))
      return Malformed(node, "has no Read before it");
    lowered_.joins.push_back({positions_[rows->id], positions_[keys->id], join.view, join.key_columns,
                              join.ttl_us, join.created_cut, join.outputs});
    return Status::OK();
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
  report.spilled_bytes = scan.spilled_bytes;
  return report;
}

NodeReport JoinReport(const RunReport::Join& join, bool ran) {
  NodeReport report{.row_groups_needed = join.row_groups, .bytes = join.bytes};
  if (!ran) return report;
  report.rows_out = join.matched;
  report.time_us = join.time_us;
  report.spilled_bytes = join.spilled_bytes;
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
  report.peak_bytes = run.peak_bytes;
  report.spilled_bytes = run.spilled_bytes;
  return report;
}

}  // namespace salver
