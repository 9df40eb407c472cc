#include "plan/execution_plan.h"

namespace salver {
namespace {

std::string Join(const std::vector<std::string>& parts) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) joined += (i > 0 ? ", " : "") + parts[i];
  return joined;
}

std::string Duration(int64_t micros) {
  if (micros == 0) return "none";
  const int64_t seconds = micros / 1'000'000;
  if (seconds % 86'400 == 0) return std::to_string(seconds / 86'400) + "d";
  if (seconds % 3600 == 0) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds) + "s";
}

std::string ScanText(const ExecutionPlan& plan, size_t scan) {
  const ScanNode& node = plan.scans[scan];
  size_t users = 0;
  for (const JoinNode& join : plan.joins) users += join.scan == scan;
  std::string text = "Read " + node.source.path + " time=" + node.event_column;
  if (!node.created_column.empty()) text += " created=" + node.created_column;
  if (users > 1) text += " (shared by " + std::to_string(users) + " joins)";
  return text;
}

std::string KeysText(const ExecutionPlan& plan, size_t keys) {
  const KeyNode& node = plan.keys[keys];
  size_t users = 0;
  for (const JoinNode& join : plan.joins) users += join.keys == keys;
  std::string text =
      node.entity_columns.empty() ? "Keys none (entityless)" : "Keys " + Join(node.entity_columns);
  if (users > 1) text += " (shared by " + std::to_string(users) + " joins)";
  return text;
}

}  // namespace

std::string ExecutionPlan::ToString() const {
  std::string text = "Gather " + std::to_string(output_count) + " features by " + time_column + "\n";
  for (size_t i = 0; i < joins.size(); ++i) {
    const JoinNode& join = joins[i];
    const bool last = i + 1 == joins.size();
    std::vector<std::string> columns;
    for (const auto& output : join.outputs) columns.push_back(output.field.name);
    text += std::string(last ? "└─ " : "├─ ") + "PointInTimeJoin " + join.view +
            " ttl=" + Duration(join.ttl_us) + (join.created_cut ? " created<=time" : "") + " -> " +
            Join(columns) + "\n";
    const std::string indent = last ? "   " : "│  ";
    text += indent + "├─ " + KeysText(*this, join.keys) + "\n";
    text += indent + "└─ " + ScanText(*this, join.scan) +
            (join.key_columns.empty() ? "" : " keys=" + Join(join.key_columns)) + "\n";
  }
  return text;
}

}  // namespace salver
