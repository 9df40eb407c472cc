#include "plan/explain.h"

#include <cstdio>
#include <set>

#include "plan/plan_text.h"

namespace salver {
namespace {

// 1234567 -> "1,234,567"
std::string Count(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string Plural(int64_t count, const std::string& what) {
  return Count(count) + " " + what + (count == 1 ? "" : "s");
}

std::string Of(int64_t part, int64_t whole, const std::string& what) {
  return Count(part) + " of " + Plural(whole, what);
}

std::string Bytes(int64_t bytes) {
  char text[32];
  if (bytes < 10'000) {
    std::snprintf(text, sizeof text, "%lld bytes", static_cast<long long>(bytes));
  } else if (bytes < 10'000'000) {
    std::snprintf(text, sizeof text, "%.1f kB", static_cast<double>(bytes) / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  }
  return text;
}

std::string Milliseconds(int64_t micros) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(micros) / 1e3);
  return text;
}

// "1 file, 2 of 3 row groups, ..." of what is known.
std::string ReportText(const DAGNode& node, const NodeReport& report, bool ran) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  const bool reads = node.As<ReadNode>() != nullptr;
  if (report.files >= 0) add(Plural(report.files, "file"));
  if (report.row_groups >= 0) {
    add(Of(report.row_groups_needed, report.row_groups, "row group"));
  } else if (report.row_groups_needed >= 0) {
    add((ran ? "read " : "reads up to ") + Plural(report.row_groups_needed, "row group") + " of features");
  }
  if (report.rows >= 0) add(Of(report.rows_needed, report.rows, "row"));
  if (report.bytes >= 0) add((reads ? "scans " : "") + Bytes(report.bytes));
  if (report.rows_in >= 0) add(Plural(report.rows_in, "row") + " in");
  if (report.rows_out >= 0) add(Count(report.rows_out) + (report.rows_in >= 0 ? " out" : " rows out"));
  if (report.time_us >= 0) add(Milliseconds(report.time_us));
  if (report.peak_bytes >= 0) add("memory " + Bytes(report.peak_bytes));
  if (report.spilled_bytes > 0) add("spilled " + Bytes(report.spilled_bytes));
  return text;
}

class Tree {
 public:
  Tree(const ExecutionPlan& plan, const PlanReport* report) : plan_(plan), report_(report) {}

  std::string Write() {
    if (!plan_.nodes.empty()) Node(plan_.nodes.back(), "", "");
    return std::move(text_);
  }

 private:
  // A Read's inputs say which keys are asked for; the joins above it have them already.
  static bool IsChild(const DAGNode& node) { return node.As<ReadNode>() == nullptr; }

  size_t Users(NodeId id) const {
    size_t users = 0;
    for (const DAGNode* user : plan_.UsersOf(id)) users += IsChild(*user);
    return users;
  }

  // `first` goes before this node's line, `rest` before those below it.
  void Node(const DAGNode& node, const std::string& first, const std::string& rest) {
    const size_t users = Users(node.id);
    const std::string number = "#" + std::to_string(node.id);
    text_ += first;
    if (users > 1 && !shown_.insert(node.id).second) {
      text_ += number + " above\n";
      return;
    }
    text_ += (users > 1 ? number + " " : "") + NodeText(node, PlanText::kShort);
    if (users > 1) text_ += " (shared by " + std::to_string(users) + ")";
    text_ += Reported(node) + "\n";
    if (!IsChild(node)) return;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const DAGNode* input = plan_.Find(node.inputs[i]);
      const bool last = i + 1 == node.inputs.size();
      if (input != nullptr) Node(*input, rest + (last ? "└─ " : "├─ "), rest + (last ? "   " : "│  "));
    }
  }

  std::string Reported(const DAGNode& node) const {
    if (report_ == nullptr) return "";
    std::string text;
    if (node.As<GatherNode>() != nullptr && report_->labels.rows >= 0)
      text = Plural(report_->labels.rows, "entity row");
    const size_t at = static_cast<size_t>(&node - plan_.nodes.data());
    if (at < report_->nodes.size()) {
      const std::string more = ReportText(node, report_->nodes[at], report_->ran);
      text += (text.empty() || more.empty() ? "" : ", ") + more;
    }
    return text.empty() ? "" : " | " + text;
  }

  const ExecutionPlan& plan_;
  const PlanReport* const report_;
  std::set<NodeId> shown_;
  std::string text_;
};

std::string Totals(const PlanReport& report) {
  int64_t all = 0;
  std::string steps;
  for (const auto& [name, micros] : report.steps) {
    all += micros;
    steps += (steps.empty() ? ": " : ", ") + name + " " + Milliseconds(micros);
  }
  std::string text = "Ran in " + Milliseconds(all) + " on " + Plural(report.threads, "thread") + steps;
  if (report.peak_bytes > 0) text += "; memory " + Bytes(report.peak_bytes) + " at most";
  if (report.spilled_bytes > 0) text += "; spilled " + Bytes(report.spilled_bytes);
  return text + "\n";
}

}  // namespace

std::string Explain(const ExecutionPlan& plan, const PlanReport* report) {
  std::string text = Tree(plan, report).Write();
  return report != nullptr && report->ran ? text + Totals(*report) : text;
}

}  // namespace salver
