#include "offline/postgres/transaction.h"

#include "base/nearest.h"

namespace salver::postgres {

Result<Transaction> Transaction::Begin(const PostgresOptions& options, const CallLimits& limits) {
  SALVER_ASSIGN(auto connection, Connection::Open(options, limits));
  std::string path = QuoteIdentifier(options.db_schema.empty() ? options.user : options.db_schema);
  if (options.db_schema != "public") path += ", public";
  // set_config in a query sets what a server may not have yet (client_connection_check_interval, from 14 on)
  // without an error. With it, a server notices that we are gone even while it computes.
  const std::string settings =
      "SELECT set_config(name, value, true) FROM (VALUES ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'), "
      "('IntervalStyle', 'postgres'), ('client_connection_check_interval', '2000'), ('statement_timeout', " +
      QuoteLiteral(std::to_string(options.statement_timeout_s * 1000)) + "), ('search_path', " +
      QuoteLiteral(path) + ")) AS wanted (name, value) JOIN pg_settings USING (name)";
  SALVER_RETURN_NOT_OK(connection->Execute("BEGIN ISOLATION LEVEL REPEATABLE READ"));
  SALVER_RETURN_NOT_OK(connection->Execute(settings));
  return Transaction(std::move(connection), options.db_schema);
}

Status Transaction::About(const Relation& relation, const Status& status) {
  if (status.ok()) return status;
  return Status(status.code(), relation.subject + ": " + status.message(), status.reason());
}

Result<std::vector<FoundColumn>> Transaction::ColumnsOf(const Relation& relation) {
  const auto described = connection_->Describe("SELECT * FROM " + relation.from);
  if (!described.ok()) return NoTable(relation, described.status());
  std::vector<FoundColumn> columns;
  for (const ColumnDescription& one : *described)
    columns.push_back({one.name, one.oid, one.modifier, ColumnTypeOfOid(one.oid)});
  return columns;
}

std::string Transaction::TypeName(const FoundColumn& column) {
  const auto rows = connection_->Query("SELECT format_type(" + std::to_string(column.oid) + ", " +
                                       std::to_string(column.modifier) + ")");
  if (!rows.ok() || rows->empty()) return "number " + std::to_string(column.oid);
  return (*rows)[0][0].value_or("number " + std::to_string(column.oid));
}

Status Transaction::NoTable(const Relation& relation, const Status& status) {
  const bool missing = connection_->sqlstate() == "42P01" || connection_->sqlstate() == "3F000";
  if (!missing || relation.table.empty()) return About(relation, status);
  SALVER_RETURN_NOT_OK(connection_->Execute("ROLLBACK"));
  const auto rows = connection_->Query(
      "SELECT CASE WHEN n.nspname IN (" + QuoteLiteral(schema_) +
      ", 'public') THEN format('%I', c.relname) ELSE format('%I.%I', n.nspname, c.relname) END "
      "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'p', "
      "'f') "
      "AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1 LIMIT 1000");
  std::vector<std::string> names;
  if (rows.ok()) {
    for (const auto& row : *rows) names.push_back(row[0].value_or(""));
  }
  std::string plain;
  for (const char c : relation.table) {
    if (c != '"') plain += c;
  }
  return Status::NotFound(relation.subject + ": there is no table " + relation.table + " in schema \"" +
                              schema_ + "\" or \"public\" that this user can see." +
                              NearestNameHint(plain, names),
                          Reason::kBadSource);
}

}  // namespace salver::postgres
