#include "plan/validate.h"

#include <arrow/type.h>

#include "base/nearest.h"

namespace salver {
namespace {

// The EncodeKeys that a join or an aggregation takes its keys from; null when it has none.
const EncodeKeysNode* KeysOf(const DAGNode& node, const ExecutionPlan& plan) {
  const DAGNode* keys = node.inputs.empty() ? nullptr : plan.Find(node.inputs[0]);
  return keys == nullptr ? nullptr : keys->As<EncodeKeysNode>();
}

class EntityCheck {
 public:
  EntityCheck(const arrow::Schema& entities, Problems* problems) : entities_(entities), problems_(problems) {}

  void CheckKeys(const EncodeKeysNode& keys, const std::string& view) const {
    for (const std::string& column : keys.entity_columns) {
      if (entities_.GetFieldIndex(column) >= 0) continue;
      problems_->Add("the entity rows have no column \"" + column + "\", which feature view \"" + view +
                     "\" joins on." + NearestNameHint(column, entities_.field_names()));
    }
  }

  void CheckOutput(const Field& field) const {
    if (entities_.GetFieldIndex(field.name) < 0) return;
    problems_->Add("the entity rows already have a column \"" + field.name +
                       "\", the name of a requested feature. Rename it, or ask for full feature names.",
                   Reason::kNameCollision);
  }

  void CheckTime(const std::string& name) const {
    const auto column = entities_.GetFieldByName(name);
    if (column == nullptr) {
      problems_->Add("the entity rows have no column \"" + name + "\" with the moment of each row." +
                     NearestNameHint(name, entities_.field_names()));
      return;
    }
    switch (column->type()->id()) {
      case arrow::Type::TIMESTAMP:
      case arrow::Type::DATE32:
      case arrow::Type::DATE64:
      case arrow::Type::STRING:  // ISO 8601, read row by row
      case arrow::Type::LARGE_STRING:
        return;
      default:
        problems_->Add("entity column \"" + name + "\" holds " + column->type()->ToString() +
                           ", not a timestamp. Write it as a timestamp column.",
                       Reason::kBadTimestamp);
    }
  }

 private:
  const arrow::Schema& entities_;
  Problems* const problems_;
};

}  // namespace

void ValidateEntities(const ExecutionPlan& plan, const arrow::Schema& entities, Problems* problems) {
  const EntityCheck check(entities, problems);
  for (const DAGNode& node : plan.nodes) {
    const EncodeKeysNode* keys = KeysOf(node, plan);
    if (const auto* join = node.As<PointInTimeJoinNode>()) {
      if (keys != nullptr) check.CheckKeys(*keys, join->view);
      for (const FeatureOutput& output : join->outputs) check.CheckOutput(output.field);
    } else if (const auto* aggregate = node.As<AggregateNode>()) {
      if (keys != nullptr) check.CheckKeys(*keys, aggregate->view);
      for (const auto& column : aggregate->columns) check.CheckOutput(column.output.field);
    } else if (const auto* gather = node.As<GatherNode>()) {
      check.CheckTime(gather->time_column);
    }
  }
}

}  // namespace salver
