#include <algorithm>

#include "plan/plan_edit.h"
#include "plan/rules.h"

namespace salver {
namespace {

bool SameRows(const ReadNode& a, const ReadNode& b) {
  return ReadsSameRows(a.source, b.source) && a.event_column == b.event_column &&
         a.created_column == b.created_column && a.look_back_us == b.look_back_us &&
         a.min_event_us == b.min_event_us && a.max_event_us == b.max_event_us &&
         a.asked_keys == b.asked_keys && a.late_columns == b.late_columns;
}

void UniteColumns(ReadNode* into, const ReadNode& from) {
  into->source.column_types.insert(from.source.column_types.begin(), from.source.column_types.end());
  if (into->columns.empty() || from.columns.empty()) {
    into->columns.clear();  // all
    return;
  }
  for (const std::string& column : from.columns) {
    if (std::find(into->columns.begin(), into->columns.end(), column) == into->columns.end())
      into->columns.push_back(column);
  }
}

}  // namespace

bool ShareScans(ExecutionPlan* plan) {
  return ShareNodes<ReadNode>(plan, SameRows, UniteColumns);
}

}  // namespace salver
