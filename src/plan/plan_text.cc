#include "plan/plan_text.h"

#include <algorithm>

#include "base/clock.h"

namespace salver {
namespace {

class NodeWriter {
 public:
  NodeWriter(const DAGNode& node, PlanText style) : full_(style == PlanText::kFull), text_(KindName(node)) {
    std::visit([this](const auto& payload) { Write(payload); }, node.payload);
  }
  std::string Take() { return std::move(text_); }

 private:
  static constexpr size_t kShortList = 8;

  void Word(const std::string& word) {
    if (!word.empty()) text_ += " " + word;
  }
  void Option(const std::string& name, const std::string& value) {
    if (!value.empty()) text_ += " " + name + "=" + value;
  }

  void Arrow(const std::string& outputs) {
    if (!outputs.empty()) text_ += " -> " + outputs;
  }

  std::string List(const std::vector<std::string>& names) const {
    const bool cut = !full_ && names.size() > kShortList + 1;
    const size_t shown = cut ? kShortList : names.size();
    std::string text;
    for (size_t i = 0; i < shown; ++i) text += (i > 0 ? "," : "") + names[i];
    return cut ? text + ",… (" + std::to_string(names.size()) + ")" : text;
  }

  std::string FieldText(const Field& field) const {
    return full_ ? field.name + ":" + ValueTypeName(field.type) : field.name;
  }

  std::string Fields(const std::vector<Field>& fields) const {
    std::vector<std::string> texts;
    for (const Field& field : fields) texts.push_back(FieldText(field));
    return List(texts);
  }

  // "conv_rate", in full "rate=conv_rate:DOUBLE@0".
  std::string OutputText(const FeatureOutput& output) const {
    if (!full_) return output.field.name;
    return output.source_column + "=" + FieldText(output.field) + "@" + std::to_string(output.position);
  }

  static std::string TimeText(int64_t micros) {
    return micros == INT64_MIN || micros == INT64_MAX ? "" : FormatTime(micros);
  }

  void Write(const ReadNode& read) {
    Word(read.source.location().empty() ? read.source.name : read.source.location());
    Option("time", read.event_column);
    Option("created", read.created_column);
    // People see keys on the join and features behind its arrow.
    if (full_) Option("columns", List(read.columns));
    if (full_) Option("late", List(read.late_columns));
    if (read.look_back_us == kNoLowerBound) {
      Option("times", "..labels");
    } else if (read.look_back_us) {
      Option("times", (*read.look_back_us == 0 ? "labels" : "labels-" + DurationText(*read.look_back_us)) +
                          "..labels");
    }
    if (read.min_event_us != INT64_MIN || read.max_event_us != INT64_MAX)
      Option("times", TimeText(read.min_event_us) + ".." + TimeText(read.max_event_us));
    std::string asked;
    for (const auto& columns : read.asked_keys) asked += (asked.empty() ? "" : ";") + List(columns);
    Option("asked", asked);
  }

  void Write(const SqlTransformNode& node) {
    Word(node.view);
    Option("time", node.event_column);
    Option("created", node.created_column);
    for (const auto& table : node.tables) {
      std::string columns;
      for (const auto& [column, name] : table.columns)
        columns += (columns.empty() ? "" : ",") + (column == name ? name : column + "=" + name);
      Option("from", table.name + (full_ && !columns.empty() ? "(" + columns + ")" : ""));
    }
    Arrow(Fields(node.output));
    std::string line = node.sql;
    std::replace(line.begin(), line.end(), '\n', ' ');
    if (!full_ && line.size() > 60) line = line.substr(0, 60) + "…";
    Word("sql: " + line);
  }

  void Write(const EncodeKeysNode& keys) {
    std::vector<std::string> columns;
    for (size_t i = 0; i < keys.join_keys.size(); ++i) {
      const std::string& column = keys.entity_columns[i];
      const Field& field = keys.join_keys[i];
      const std::string key = column == field.name ? field.name : column + "=" + field.name;
      columns.push_back(full_ ? key + ":" + ValueTypeName(field.type) : column);
    }
    Word(columns.empty() ? "none (entityless)" : List(columns));
  }

  void Write(const PointInTimeJoinNode& join) {
    Word(join.view);
    Option("on", List(join.key_columns));
    Option("ttl", DurationText(join.ttl_us));
    if (join.created_cut) Word("created<=time");
    std::vector<std::string> outputs;
    for (const FeatureOutput& output : join.outputs) outputs.push_back(OutputText(output));
    Arrow(List(outputs));
  }

  void Write(const AggregateNode& node) {
    Word(node.view);
    Option("on", List(node.key_columns));
    if (node.at) Option("at", FormatTime(node.at->end_us));
    if (node.created_cut) Word("created<=time");
    std::vector<std::string> columns;
    for (const auto& column : node.columns) {
      columns.push_back(
          column.function + "(" + column.output.source_column + "," + DurationText(column.window_us) + ")" +
          (full_ ? "=" + FieldText(column.output.field) + "@" + std::to_string(column.output.position) : ""));
    }
    Arrow(List(columns));
  }

  void Write(const GatherNode& node) {
    Word(std::to_string(node.output_count) + (node.output_count == 1 ? " feature by " : " features by ") +
         node.time_column);
  }

  void Write(const NewestRowsNode& node) {
    Word(node.view);
    Option("on", Fields(node.join_keys));
    Option("times", FormatTime(node.start_us) + ".." + FormatTime(node.end_us));
    Arrow(Fields(node.features));
  }

  const bool full_;
  std::string text_;
};

}  // namespace

std::string NodeText(const DAGNode& node, PlanText style) {
  return NodeWriter(node, style).Take();
}

std::string ListText(const ExecutionPlan& plan) {
  std::string text;
  for (const DAGNode& node : plan.nodes) {
    const std::string kind = KindName(node);
    std::string inputs;
    for (const NodeId input : node.inputs) inputs += (inputs.empty() ? "" : ", ") + std::to_string(input);
    text += std::to_string(node.id) + " " + kind + (inputs.empty() ? "" : "(" + inputs + ")") +
            NodeText(node, PlanText::kFull).substr(kind.size()) + "\n";
  }
  return text;
}

std::string DurationText(int64_t micros) {
  if (micros == 0) return "none";
  if (micros % 1'000'000 != 0) return std::to_string(micros) + "us";
  const int64_t seconds = micros / 1'000'000;
  if (seconds % 86'400 == 0) return std::to_string(seconds / 86'400) + "d";
  if (seconds % 3600 == 0) return std::to_string(seconds / 3600) + "h";
  if (seconds % 60 == 0) return std::to_string(seconds / 60) + "m";
  return std::to_string(seconds) + "s";
}

}  // namespace salver
