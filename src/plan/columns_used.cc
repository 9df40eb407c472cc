#include "plan/columns_used.h"

namespace salver {
namespace {

struct Collector {
  NodeId input;
  const DAGNode& user;
  ColumnsUsed used = {};

  void operator()(const PointInTimeJoinNode& join) {
    used.scanned = join.key_columns;
    for (const FeatureOutput& output : join.outputs) used.picked.push_back(output.source_column);
  }
  void operator()(const AggregateNode& node) {
    used.scanned = node.key_columns;
    for (const auto& column : node.columns) used.scanned.push_back(column.output.source_column);
  }
  void operator()(const NewestRowsNode& node) {
    for (const Field& key : node.join_keys) used.scanned.push_back(key.name);
    for (const Field& feature : node.features) used.picked.push_back(feature.name);
  }
  void operator()(const SqlTransformNode& node) {
    for (size_t i = 0; i < node.tables.size(); ++i) {
      if (user.inputs[i] != input) continue;
      if (node.tables[i].columns.empty()) used.all = true;
      for (const auto& [column, name] : node.tables[i].columns) used.scanned.push_back(column);
    }
  }
  void operator()(const auto&) {}  // has no rows as input
};

}  // namespace

ColumnsUsed UsedOf(NodeId input, const DAGNode& user) {
  Collector collector{input, user};
  std::visit(collector, user.payload);
  return std::move(collector.used);
}

}  // namespace salver
