#include "model/value_codec.h"
#include "plan/explain.h"
#include "plan/plan_text.h"

namespace salver {
namespace {

// An object under way: members are added one after another.
class JsonObject {
 public:
  explicit JsonObject(std::string* out) : out_(*out) { out_ += "{"; }
  void Text(const char* name, const std::string& value) {
    Name(name);
    AppendJsonString(value, &out_);
  }
  void Raw(const char* name, const std::string& json) {
    Name(name);
    out_ += json;
  }
  // Left out when it is -1, not known.
  void Number(const char* name, int64_t value) {
    if (value >= 0) Raw(name, std::to_string(value));
  }
  void Close() { out_ += "}"; }

 private:
  void Name(const char* name) {
    if (out_.back() != '{') out_ += ", ";
    AppendJsonString(name, &out_);
    out_ += ": ";
  }
  std::string& out_;
};

std::string ReportJson(const NodeReport& report) {
  std::string json;
  JsonObject object(&json);
  object.Number("files", report.files);
  object.Number("row_groups", report.row_groups);
  object.Number("row_groups_needed", report.row_groups_needed);
  object.Number("rows", report.rows);
  object.Number("rows_needed", report.rows_needed);
  object.Number("bytes", report.bytes);
  object.Number("rows_in", report.rows_in);
  object.Number("rows_out", report.rows_out);
  object.Number("time_us", report.time_us);
  object.Number("peak_bytes", report.peak_bytes);
  object.Number("spilled_bytes", report.spilled_bytes);
  object.Close();
  return json;
}

std::string NodeJson(const DAGNode& node, const NodeReport* report) {
  std::string json, inputs = "[";
  for (const NodeId input : node.inputs) inputs += (inputs.size() > 1 ? ", " : "") + std::to_string(input);
  JsonObject object(&json);
  object.Number("id", node.id);
  object.Text("kind", KindName(node));
  object.Raw("inputs", inputs + "]");
  object.Text("text", NodeText(node, PlanText::kFull));
  if (report != nullptr) object.Raw("report", ReportJson(*report));
  object.Close();
  return json;
}

}  // namespace

std::string ExplainJson(const ExecutionPlan& plan, const PlanReport* report) {
  std::string json, nodes = "[";
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    const bool known = report != nullptr && i < report->nodes.size();
    nodes += (i > 0 ? ", " : "") + NodeJson(plan.nodes[i], known ? &report->nodes[i] : nullptr);
  }
  JsonObject object(&json);
  object.Raw("nodes", nodes + "]");
  if (report != nullptr) {
    object.Number("entity_rows", report->labels.rows);
    object.Raw("ran", report->ran ? "true" : "false");
  }
  if (report != nullptr && report->ran) {
    std::string steps;
    JsonObject times(&steps);
    for (const auto& [name, micros] : report->steps) times.Number(name.c_str(), micros);
    times.Close();
    object.Raw("steps_us", steps);
    object.Number("threads", report->threads);
    object.Number("peak_bytes", report->peak_bytes);
    object.Number("spilled_bytes", report->spilled_bytes);
  }
  object.Close();
  return json;
}

}  // namespace salver
