#include <algorithm>

#include "plan/rules.h"

namespace salver {
namespace {

int64_t LongestWindow(const AggregateNode& node) {
  int64_t longest = 0;
  for (const auto& column : node.columns)
    longest = std::max(longest, column.window_us == 0 ? kNoLowerBound : column.window_us);
  return longest;
}

// What the users of a Read need of it.
struct Bounds {
  bool labels = false, range = false, unbounded = false;
  int64_t look_back_us = 0;
  int64_t min_us = INT64_MAX, max_us = INT64_MIN;

  void Labels(int64_t back) {
    labels = true;
    look_back_us = std::max(look_back_us, back);
  }
  void Range(int64_t from, int64_t to) {
    range = true;
    min_us = std::min(min_us, from);
    max_us = std::max(max_us, to);
  }
};

struct Collector {
  Bounds bounds = {};

  void operator()(const PointInTimeJoinNode& join) {
    bounds.Labels(join.ttl_us == 0 ? kNoLowerBound : join.ttl_us);
  }
  void operator()(const AggregateNode& node) {
    const int64_t back = LongestWindow(node);
    if (!node.at) return bounds.Labels(back);
    const bool open = back == kNoLowerBound || node.at->start_us < INT64_MIN + back;
    bounds.Range(open ? INT64_MIN : node.at->start_us - back, node.at->end_us);
  }
  void operator()(const NewestRowsNode& node) { bounds.Range(node.start_us, node.end_us); }
  void operator()(const auto&) { bounds.unbounded = true; }  // SQL may look at any row
};

}  // namespace

bool BoundTimes(ExecutionPlan* plan) {
  bool changed = false;
  for (DAGNode& node : plan->nodes) {
    ReadNode* read = node.As<ReadNode>();
    if (read == nullptr) continue;
    Collector collector;
    for (const DAGNode* user : plan->UsersOf(node.id)) std::visit(collector, user->payload);
    const Bounds& needs = collector.bounds;
    if (needs.unbounded || needs.labels == needs.range) continue;
    const ReadNode before = *read;
    if (needs.labels) read->look_back_us = needs.look_back_us;
    if (needs.range) {
      read->min_event_us = needs.min_us;
      read->max_event_us = needs.max_us;
    }
    changed = changed || before.look_back_us != read->look_back_us ||
              before.min_event_us != read->min_event_us || before.max_event_us != read->max_event_us;
  }
  return changed;
}

}  // namespace salver
