#include <algorithm>

#include "plan/plan_edit.h"
#include "plan/rules.h"

namespace salver {
namespace {

bool SameTables(const SqlTransformNode& a, const SqlTransformNode& b) {
  return std::equal(a.tables.begin(), a.tables.end(), b.tables.begin(), b.tables.end(),
                    [](const auto& x, const auto& y) { return x.name == y.name && x.columns == y.columns; });
}

bool SameOutput(const SqlTransformNode& a, const SqlTransformNode& b) {
  return std::equal(a.output.begin(), a.output.end(), b.output.begin(), b.output.end(),
                    [](const Field& x, const Field& y) { return x.name == y.name && x.type == y.type; });
}

bool SameTransform(const SqlTransformNode& a, const SqlTransformNode& b) {
  return a.sql == b.sql && SameTables(a, b) && SameOutput(a, b) && a.event_column == b.event_column &&
         a.created_column == b.created_column;
}

}  // namespace

bool ShareTransforms(ExecutionPlan* plan) {
  return ShareNodes<SqlTransformNode>(plan, SameTransform, [](SqlTransformNode*, const SqlTransformNode&) {});
}

}  // namespace salver
