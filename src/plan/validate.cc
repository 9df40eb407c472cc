#include "plan/validate.h"

#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/nearest.h"

namespace salver {
namespace {

struct Describe {
  std::string operator()(const ReadNode& read) const { return ", data source \"" + read.source.name + "\""; }
  std::string operator()(const SqlTransformNode& node) const { return View(node.view); }
  std::string operator()(const PointInTimeJoinNode& node) const { return View(node.view); }
  std::string operator()(const AggregateNode& node) const { return View(node.view); }
  std::string operator()(const NewestRowsNode& node) const { return View(node.view); }
  std::string operator()(const auto&) const { return ""; }
  static std::string View(const std::string& view) { return ", feature view \"" + view + "\""; }
};

// "plan node 3 (PointInTimeJoin, feature view "trips")"
std::string NameOf(const DAGNode& node) {
  return "plan node " + std::to_string(node.id) + " (" + KindName(node) +
         std::visit(Describe(), node.payload) + ")";
}

enum class Kind { kRows, kKeys, kFeatures, kAnswer };

Kind KindOf(const DAGNode& node) {
  if (node.As<EncodeKeysNode>() != nullptr) return Kind::kKeys;
  if (node.As<PointInTimeJoinNode>() != nullptr) return Kind::kFeatures;
  if (const auto* aggregate = node.As<AggregateNode>()) return aggregate->at ? Kind::kRows : Kind::kFeatures;
  if (node.As<GatherNode>() != nullptr || node.As<NewestRowsNode>() != nullptr) return Kind::kAnswer;
  return Kind::kRows;
}

const char* KindText(Kind kind) {
  constexpr const char* kTexts[] = {"rows", "keys", "features", "an answer"};
  return kTexts[static_cast<size_t>(kind)];
}

// What each input of a node must give. One kind for all of them, or one each.
std::vector<Kind> InputKinds(const DAGNode& node) {
  if (node.As<ReadNode>() != nullptr || node.As<EncodeKeysNode>() != nullptr)
    return std::vector<Kind>(node.inputs.size(), Kind::kKeys);
  if (node.As<GatherNode>() != nullptr) return std::vector<Kind>(node.inputs.size(), Kind::kFeatures);
  if (const auto* sql = node.As<SqlTransformNode>())
    return std::vector<Kind>(sql->tables.size(), Kind::kRows);
  if (KindOf(node) == Kind::kFeatures) return {Kind::kKeys, Kind::kRows};
  return {Kind::kRows};
}

class PlanCheck {
 public:
  PlanCheck(const ExecutionPlan& plan, Problems* problems) : plan_(plan), problems_(problems) {}

  void Check() {
    std::set<NodeId> before;
    for (const DAGNode& node : plan_.nodes) {
      if (before.contains(node.id)) Add("two plan nodes have the id " + std::to_string(node.id) + ".");
      CheckInputs(node, before);
      before.insert(node.id);
    }
    CheckAnswer();
    CheckOutputs();
  }

 private:
  void Add(std::string problem) {
    problems_->Add(std::move(problem), Reason::kBadDefinition, StatusCode::kInternal);
  }

  void CheckInputs(const DAGNode& node, const std::set<NodeId>& before) {
    const auto circle = CircleFrom(node.id);
    if (!circle.empty() && *std::min_element(circle.begin(), circle.end()) == node.id) {
      std::string path;
      for (const NodeId id : circle) path += std::to_string(id) + " <- ";
      Add("the plan runs in a circle: " + path + std::to_string(node.id) + ", from " + NameOf(node) + ".");
    }
    const std::vector<Kind> kinds = InputKinds(node);
    if (node.inputs.size() != kinds.size()) {
      Add(NameOf(node) + " has " + std::to_string(node.inputs.size()) + " inputs and needs " +
          std::to_string(kinds.size()) + ".");
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const DAGNode* input = plan_.Find(node.inputs[i]);
      if (input == nullptr) {
        Add(NameOf(node) + " uses node " + std::to_string(node.inputs[i]) + ", which is not in the plan.");
        continue;
      }
      if (!before.contains(input->id) && circle.empty())
        Add(NameOf(node) + " comes before its input " + std::to_string(input->id) + ".");
      if (i < kinds.size() && KindOf(*input) != kinds[i])
        Add(NameOf(node) + " takes " + KindText(kinds[i]) + " and " + NameOf(*input) + " gives " +
            KindText(KindOf(*input)) + ".");
    }
    CheckKeys(node);
  }

  // A join's key columns pair off with the keys that are encoded.
  void CheckKeys(const DAGNode& node) {
    const auto* join = node.As<PointInTimeJoinNode>();
    const auto* aggregate = node.As<AggregateNode>();
    if ((join == nullptr && aggregate == nullptr) || node.inputs.empty()) return;
    const DAGNode* input = plan_.Find(node.inputs[0]);
    const auto* keys = input == nullptr ? nullptr : input->As<EncodeKeysNode>();
    const size_t columns = join != nullptr ? join->key_columns.size() : aggregate->key_columns.size();
    if (keys == nullptr || keys->join_keys.size() == columns) return;
    Add(NameOf(node) + " joins on " + std::to_string(columns) + " columns and " + NameOf(*input) +
        " encodes " + std::to_string(keys->join_keys.size()) + ".");
  }

  // Ids from `start` through inputs back to it; empty when it is in no circle.
  std::vector<NodeId> CircleFrom(NodeId start) const {
    std::map<NodeId, NodeId> came_from;
    std::vector<NodeId> open = {start};
    while (!open.empty()) {
      const NodeId at = open.back();
      open.pop_back();
      const DAGNode* node = plan_.Find(at);
      for (size_t i = 0; node != nullptr && i < node->inputs.size(); ++i) {
        const NodeId input = node->inputs[i];
        if (!came_from.try_emplace(input, at).second) continue;
        if (input != start) {
          open.push_back(input);
          continue;
        }
        std::vector<NodeId> circle = {start};
        for (NodeId user = at; user != start; user = came_from[user]) circle.push_back(user);
        std::reverse(circle.begin() + 1, circle.end());
        return circle;
      }
    }
    return {};
  }

  void CheckAnswer() {
    if (plan_.nodes.empty()) {
      Add("the plan has no nodes, and so no answer.");
    } else if (KindOf(plan_.nodes.back()) != Kind::kAnswer) {
      Add(NameOf(plan_.nodes.back()) + " is the last of the plan and gives no answer.");
    }
    for (size_t i = 0; i + 1 < plan_.nodes.size(); ++i) {
      const DAGNode& node = plan_.nodes[i];
      if (plan_.UsersOf(node.id).empty()) Add(NameOf(node) + " is used by no other.");
    }
  }

  void CheckOutputs() {
    const auto* gather = plan_.nodes.empty() ? nullptr : plan_.nodes.back().As<GatherNode>();
    if (gather == nullptr) return;
    std::map<std::string, const DAGNode*> names;
    std::map<size_t, const DAGNode*> positions;
    for (const DAGNode& node : plan_.nodes) {
      for (const FeatureOutput* output : OutputsOf(node)) {
        const auto [name, is_new] = names.try_emplace(output->field.name, &node);
        if (!is_new)
          Add("two features are named \"" + output->field.name + "\": of " + NameOf(*name->second) +
              " and of " + NameOf(node) + ".");
        const auto [position, is_free] = positions.try_emplace(output->position, &node);
        if (!is_free)
          Add("feature \"" + output->field.name + "\" of " + NameOf(node) + " has position " +
              std::to_string(output->position) + ", which " + NameOf(*position->second) + " has filled.");
        if (output->position >= gather->output_count)
          Add("feature \"" + output->field.name + "\" of " + NameOf(node) + " has position " +
              std::to_string(output->position) + " of " + std::to_string(gather->output_count) + ".");
      }
    }
    for (size_t i = 0; i < gather->output_count; ++i) {
      if (!positions.contains(i)) Add("no node fills position " + std::to_string(i) + " of the answer.");
    }
  }

  static std::vector<const FeatureOutput*> OutputsOf(const DAGNode& node) {
    std::vector<const FeatureOutput*> outputs;
    if (const auto* join = node.As<PointInTimeJoinNode>()) {
      for (const FeatureOutput& output : join->outputs) outputs.push_back(&output);
    } else if (const auto* aggregate = node.As<AggregateNode>()) {
      for (const auto& column : aggregate->columns) outputs.push_back(&column.output);
    }
    return outputs;
  }

  const ExecutionPlan& plan_;
  Problems* const problems_;
};

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

void ValidatePlan(const ExecutionPlan& plan, Problems* problems) {
  PlanCheck(plan, problems).Check();
}

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
