#include "plan/execution_plan.h"

#include <cstdio>

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
  std::string text = "Read " + node.source.location() + " time=" + node.event_column;
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

// 1234567 -> "1,234,567"
std::string Count(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string Of(int64_t part, int64_t whole, const std::string& what) {
  return Count(part) + " of " + Count(whole) + " " + what + (whole == 1 ? "" : "s");
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

std::string ScanReport(const PlanReport& report, size_t at) {
  const PlanReport::Scan& scan = report.scans[at];
  std::string text = " | " + Count(scan.files) + (scan.files == 1 ? " file, " : " files, ") +
                     Of(scan.row_groups_needed, scan.row_groups, "row group") + ", " +
                     Of(scan.rows_needed, scan.rows, "row") + ", keys and times " + Bytes(scan.bytes);
  return report.ran ? text + ", kept " + Count(scan.rows_kept) + " rows" : text;
}

std::string JoinReport(const PlanReport& report, size_t at) {
  const PlanReport::Join& join = report.joins[at];
  std::string text = report.ran ? " | " + Of(join.matched, report.labels.rows, "row") + " matched, read "
                                : " | reads up to ";
  return text + Count(join.row_groups) + (join.row_groups == 1 ? " row group" : " row groups") +
         " of features, " + Bytes(join.bytes);
}

std::string Totals(const PlanReport& report) {
  if (!report.ran) return "";
  const int64_t all = report.open_us + report.scan_us + report.index_us + report.join_us + report.gather_us;
  std::string text = "Ran in " + Milliseconds(all) + " on " + std::to_string(report.threads) +
                     (report.threads == 1 ? " thread" : " threads") + ": open " +
                     Milliseconds(report.open_us) + ", scan " + Milliseconds(report.scan_us) + ", index " +
                     Milliseconds(report.index_us) + ", join " + Milliseconds(report.join_us) + ", gather " +
                     Milliseconds(report.gather_us);
  if (report.peak_bytes > 0) text += "; memory " + Bytes(report.peak_bytes) + " at most";
  return text + "\n";
}

}  // namespace

std::string ExecutionPlan::ToString(const PlanReport* report) const {
  std::string text = "Gather " + std::to_string(output_count) + " features by " + time_column;
  if (report != nullptr && report->labels.rows >= 0)
    text += " | " + Count(report->labels.rows) + " entity rows";
  text += "\n";
  for (size_t i = 0; i < joins.size(); ++i) {
    const JoinNode& join = joins[i];
    const bool last = i + 1 == joins.size();
    std::vector<std::string> columns;
    for (const auto& output : join.outputs) columns.push_back(output.field.name);
    text += std::string(last ? "└─ " : "├─ ") + "PointInTimeJoin " + join.view +
            " ttl=" + Duration(join.ttl_us) + (join.created_cut ? " created<=time" : "") + " -> " +
            Join(columns) + (report != nullptr ? JoinReport(*report, i) : "") + "\n";
    const std::string indent = last ? "   " : "│  ";
    text += indent + "├─ " + KeysText(*this, join.keys);
    if (report != nullptr && report->ran)
      text += " | " + Count(report->keys[join.keys].distinct) + " distinct";
    text += "\n" + indent + "└─ " + ScanText(*this, join.scan) +
            (join.key_columns.empty() ? "" : " keys=" + Join(join.key_columns)) +
            (report != nullptr ? ScanReport(*report, join.scan) : "") + "\n";
  }
  return report != nullptr ? text + Totals(*report) : text;
}

}  // namespace salver
