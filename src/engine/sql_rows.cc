#include "engine/sql_rows.h"

#include <arrow/table.h>

#include <algorithm>
#include <numeric>

#include "base/arrow_status.h"
#include "offline/sql_source.h"
#include "source/table_reader.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

constexpr char kPlanStore[] = "node of the plan";

std::string Subject(const SqlTransformNode& node) {
  return "feature view \"" + node.view + "\"";
}

}  // namespace

DataSource SqlRows::SourceOf(const DAGNode& node) {
  const auto& sql = *node.As<SqlTransformNode>();
  return {.name = sql.view,
          .store = kPlanStore,
          .table = std::to_string(node.id),
          .timestamp_field = sql.event_column,
          .created_timestamp_column = sql.created_column};
}

const DAGNode* SqlRows::NodeOf(const DataSource& source) const {
  return source.store == kPlanStore ? plan_.Find(static_cast<NodeId>(std::stoll(source.table))) : nullptr;
}

// Joins on a node are one user: they share its rows.
bool SqlRows::IsShared(const DAGNode& node) const {
  size_t transforms = 0, others = 0;
  for (const DAGNode* user : plan_.UsersOf(node.id))
    ++(user->As<SqlTransformNode>() != nullptr ? transforms : others);
  return transforms + std::min<size_t>(others, 1) > 1;
}

Result<std::shared_ptr<arrow::Schema>> SqlRows::ReadSchema(const DataSource& source) {
  const DAGNode* node = NodeOf(source);
  if (node == nullptr) return offline_->ReadSchema(source);
  SALVER_ASSIGN(const SqlRequest request, Transform(*node, /*only_types=*/true, nullptr));
  return offline_->DescribeSql(request);
}

Result<std::unique_ptr<SourceReader>> SqlRows::Open(const DataSource& source, const SourceNeeds& needs) {
  const DAGNode* node = NodeOf(source);
  if (node == nullptr) return offline_->Open(source, needs);
  if (IsShared(*node)) {
    SALVER_ASSIGN(auto rows, SharedRows(*node, needs.cancelled));
    return NewTableReader(std::move(rows), source.timestamp_field);
  }
  SALVER_ASSIGN(const auto schema, ReadSchema(source));
  SALVER_ASSIGN(SqlRequest request, Transform(*node, /*only_types=*/false, needs.cancelled));
  SALVER_ASSIGN(request.sql, SelectNeeded(request.sql, *schema, source.timestamp_field, needs));
  request.lines_before += kLinesBefore;
  SALVER_ASSIGN(auto rows, offline_->RunSql(request));
  return NewTableReader(std::move(rows), source.timestamp_field);
}

Status SqlRows::Append(const DataSource& source, const arrow::Table& rows) {
  if (NodeOf(source) == nullptr) return offline_->Append(source, rows);
  return Status::FailedPrecondition(
      "feature view \"" + source.name + "\" is computed by SQL, so rows can not be added to it.",
      Reason::kBadSource);
}

Result<SqlRequest> SqlRows::Transform(const DAGNode& node, bool only_types,
                                      const std::atomic<bool>* cancelled) {
  const auto& sql = *node.As<SqlTransformNode>();
  SqlRequest request{.asked_by = Subject(sql), .cancelled = cancelled};
  std::string text;
  for (size_t i = 0; i < sql.tables.size(); ++i) {
    SALVER_ASSIGN(const std::string select, SelectInput(node, i, only_types, &request));
    text += (text.empty() ? "WITH " : ",\n") + QuoteSqlName(sql.tables[i].name) + " AS (\n" + select + "\n)";
  }
  text += (text.empty() ? "" : "\n") + std::string("SELECT * FROM (\n");
  request.lines_before = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  request.sql = text + sql.sql + "\n) AS rows";
  return request;
}

Result<std::string> SqlRows::SelectInput(const DAGNode& node, size_t input, bool only_types,
                                         SqlRequest* request) {
  const auto& table = node.As<SqlTransformNode>()->tables[input];
  const DAGNode* rows = plan_.Find(node.inputs[input]);
  if (rows == nullptr)
    return Status::Internal("the plan lacks the rows that its SQL reads. Check it before it runs.");
  SALVER_ASSIGN(const std::string select, SelectRows(*rows, only_types, request));
  if (table.columns.empty()) return select;
  std::string list;
  for (const auto& [column, name] : table.columns) {
    list += (list.empty() ? "" : ", ") + QuoteSqlName(column) + " AS " + QuoteSqlName(name);
  }
  return "SELECT " + list + " FROM (\n" + select + "\n) AS rows";
}

Result<std::string> SqlRows::SelectRows(const DAGNode& node, bool only_types, SqlRequest* request) {
  if (const auto* read = node.As<ReadNode>()) {
    const auto select = offline_->SelectOf(read->source);
    if (select.ok()) return select;
    if (select.status().code() != StatusCode::kUnimplemented) return select.status();
  } else if (only_types || !IsShared(node)) {
    SALVER_ASSIGN(SqlRequest inner, Transform(node, only_types, request->cancelled));
    for (auto& table : inner.tables) {  // two paths of a diamond end at one
      const auto same = [&](const auto& known) { return known.name == table.name; };
      if (std::none_of(request->tables.begin(), request->tables.end(), same))
        request->tables.push_back(std::move(table));
    }
    return std::move(inner.sql);
  }
  const std::string name = "rows of plan node " + std::to_string(node.id);
  const auto known = [&](const auto& table) { return table.name == name; };
  if (std::none_of(request->tables.begin(), request->tables.end(), known)) {
    SALVER_ASSIGN(auto rows, ReadRows(node, only_types, request->cancelled));
    request->tables.push_back({name, std::move(rows)});
  }
  return "SELECT * FROM " + QuoteSqlName(name);
}

Result<SqlRows::TablePtr> SqlRows::ReadRows(const DAGNode& node, bool only_types,
                                            const std::atomic<bool>* cancelled) {
  const auto* read = node.As<ReadNode>();
  if (read == nullptr) return SharedRows(node, cancelled);
  const std::string subject = "data source \"" + read->source.name + "\"";
  if (only_types) {
    SALVER_ASSIGN(const auto schema, offline_->ReadSchema(read->source));
    return FromArrow(arrow::Table::MakeEmpty(schema), subject);
  }
  SALVER_ASSIGN(const auto reader, offline_->Open(read->source, {.columns = read->columns,
                                                                 .min_event_us = read->min_event_us,
                                                                 .max_event_us = read->max_event_us,
                                                                 .cancelled = cancelled}));
  std::vector<int> groups(reader->row_groups().size());
  std::iota(groups.begin(), groups.end(), 0);
  return reader->Read(groups, read->columns.empty() ? reader->schema()->field_names() : read->columns);
}

Result<SqlRows::TablePtr> SqlRows::SharedRows(const DAGNode& node, const std::atomic<bool>* cancelled) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = shared_.find(node.id); found != shared_.end()) return found->second;
  }
  SALVER_ASSIGN(const SqlRequest request, Transform(node, /*only_types=*/false, cancelled));
  // Whoever comes meanwhile waits for these rows rather than asking for them again.
  const std::lock_guard lock(mutex_);
  if (const auto found = shared_.find(node.id); found != shared_.end()) return found->second;
  SALVER_ASSIGN(auto rows, offline_->RunSql(request));
  return shared_[node.id] = std::move(rows);
}

}  // namespace salver
