#include "engine/check_sources.h"

#include <arrow/type.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "engine/sql_rows.h"
#include "kernel/columns.h"
#include "kernel/key_dictionary.h"
#include "plan/columns_used.h"

namespace salver {
namespace {

// Gives a field that was registered without a type the type that its source column has.
void InferType(const arrow::Field& column, Field* field) {
  if (field->type != ValueType::kInvalid) return;
  if (const auto type = ValueTypeOfArrow(*column.type()); type.ok()) field->type = *type;
}

// The rows of a Read or a SqlTransform against the nodes that use them.
class RowsCheck {
 public:
  RowsCheck(const DAGNode& node, const arrow::Schema& schema, ExecutionPlan* plan, Problems* problems)
      : id_(node.id), schema_(schema), plan_(plan), problems_(problems) {
    if (const auto* read = node.As<ReadNode>()) {
      subject_ = "data source \"" + read->source.name + "\" (" + read->source.location() + ")";
      event_column_ = read->event_column;
      created_column_ = read->created_column;
    } else if (const auto* sql = node.As<SqlTransformNode>()) {
      subject_ = "the SQL of feature view \"" + sql->view + "\"";
      event_column_ = sql->event_column;
      created_column_ = sql->created_column;
    }
  }

  void CheckTimes() const {
    CheckTime(event_column_, "timestamp_field");
    if (!created_column_.empty()) CheckTime(created_column_, "created_timestamp_column");
  }

  void CheckUser(DAGNode* user) const {
    if (auto* join = user->As<PointInTimeJoinNode>()) {
      CheckKeys(*user, join->view, join->key_columns);
      for (FeatureOutput& output : join->outputs)
        CheckFeature(join->view, output.source_column, &output.field);
    } else if (auto* node = user->As<AggregateNode>()) {
      if (!node->at) CheckKeys(*user, node->view, node->key_columns);
      for (auto& column : node->columns)
        Find(column.output.source_column, "aggregated by feature view \"" + node->view + "\"");
    } else if (auto* newest = user->As<NewestRowsNode>()) {
      for (Field& key : newest->join_keys) CheckKey(newest->view, key.name, &key);
      for (Field& feature : newest->features) CheckFeature(newest->view, feature.name, &feature);
    } else if (auto* sql = user->As<SqlTransformNode>()) {
      for (const std::string& column : UsedOf(id_, *user).scanned)
        Find(column, "read by the SQL of feature view \"" + sql->view + "\"");
    }
  }

 private:
  void CheckKeys(const DAGNode& user, const std::string& view,
                 const std::vector<std::string>& columns) const {
    DAGNode* keys = user.inputs.empty() ? nullptr : plan_->Find(user.inputs[0]);
    EncodeKeysNode* encoded = keys == nullptr ? nullptr : keys->As<EncodeKeysNode>();
    if (encoded == nullptr) return;
    for (size_t i = 0; i < encoded->join_keys.size(); ++i) CheckKey(view, columns[i], &encoded->join_keys[i]);
  }

  void CheckKey(const std::string& view, const std::string& column, Field* key) const {
    CheckField(column, "a join key of feature view \"" + view + "\"", key);
    if (KeyDictionary::IsSupported(key->type)) return;
    problems_->Add("feature view \"" + view + "\" joins on \"" + key->name + "\" of type " +
                       ValueTypeName(key->type) +
                       ", which can not be a key. Join on a number, a string or a time.",
                   Reason::kBadKeyValue);
  }

  void CheckFeature(const std::string& view, const std::string& column, Field* feature) const {
    CheckField(column, "a feature of feature view \"" + view + "\"", feature);
  }

  const arrow::Field* Find(const std::string& column, const std::string& role) const {
    if (const int index = schema_.GetFieldIndex(column); index >= 0) return schema_.field(index).get();
    problems_->Add(Subject() + " has no column \"" + column + "\", " + role + "." +
                   NearestNameHint(column, schema_.field_names()));
    return nullptr;
  }

  void CheckTime(const std::string& column, const std::string& role) const {
    const arrow::Field* field = Find(column, "its " + role);
    if (field == nullptr || field->type()->id() == arrow::Type::TIMESTAMP ||
        field->type()->id() == arrow::Type::DATE32) {
      return;
    }
    problems_->Add(Subject() + ": column \"" + column + "\", its " + role + ", holds " +
                       field->type()->ToString() + ", not a timestamp. Write it as a timestamp column.",
                   Reason::kBadTimestamp);
  }

  void CheckField(const std::string& column, const std::string& role, Field* declared) const {
    const arrow::Field* field = Find(column, role);
    if (field == nullptr) return;
    InferType(*field, declared);
    if (CanCast(*field->type(), *declared)) return;
    problems_->Add(Subject() + ": column \"" + column + "\", " + role + ", holds " +
                       field->type()->ToString() + ", but " + ValueTypeName(declared->type) +
                       " is declared. Change the type in the definition, or cast the column in the source.",
                   Reason::kBadFeatureValue);
  }

  const std::string& Subject() const { return subject_; }

  const NodeId id_;
  const arrow::Schema& schema_;
  ExecutionPlan* const plan_;
  Problems* const problems_;
  std::string subject_, event_column_, created_column_;
};

// The views that are computed of a node's rows, in the order of the plan.
std::vector<std::string> ViewsOver(NodeId id, const ExecutionPlan& plan) {
  std::vector<std::string> views;
  const auto add = [&](const std::string& view) {
    if (std::find(views.begin(), views.end(), view) == views.end()) views.push_back(view);
  };
  for (const DAGNode* user : plan.UsersOf(id)) {
    if (const auto* join = user->As<PointInTimeJoinNode>()) add(join->view);
    if (const auto* aggregate = user->As<AggregateNode>()) add(aggregate->view);
    if (const auto* newest = user->As<NewestRowsNode>()) add(newest->view);
    if (user->As<SqlTransformNode>() == nullptr) continue;
    for (const std::string& view : ViewsOver(user->id, plan)) add(view);
  }
  return views;
}

// " Feature views \"a\" and 3 more read it."
std::string ReadBy(const std::vector<std::string>& views) {
  if (views.empty()) return "";
  if (views.size() == 1) return " Feature view \"" + views[0] + "\" reads it.";
  if (views.size() == 2) return " Feature views \"" + views[0] + "\" and \"" + views[1] + "\" read it.";
  return " Feature view \"" + views[0] + "\" and " + std::to_string(views.size() - 1) + " more read it.";
}

}  // namespace

void CheckSources(OfflineStore* offline, ExecutionPlan* plan, Problems* problems) {
  SqlRows rows(*plan, offline);
  std::set<NodeId> unknown;  // rows without a schema, and what is made of them: the first problem says it all
  for (const DAGNode& node : plan->nodes) {
    const ReadNode* read = node.As<ReadNode>();
    if (read == nullptr && node.As<SqlTransformNode>() == nullptr) continue;
    const bool known = read != nullptr || std::none_of(node.inputs.begin(), node.inputs.end(),
                                                       [&](NodeId input) { return unknown.contains(input); });
    if (!known) {
      unknown.insert(node.id);
      continue;
    }
    const auto schema = rows.ReadSchema(read != nullptr ? read->source : SqlRows::SourceOf(node));
    if (!schema.ok()) {
      const std::string read_by = read == nullptr ? "" : ReadBy(ViewsOver(node.id, *plan));
      problems->Add(schema.status().message() + read_by, schema.status().reason(), schema.status().code());
      unknown.insert(node.id);
      continue;
    }
    const RowsCheck check(node, **schema, plan, problems);
    check.CheckTimes();
    for (DAGNode& user : plan->nodes) {
      for (const NodeId input : user.inputs) {
        if (input == node.id) check.CheckUser(&user);
      }
    }
  }
}

}  // namespace salver
