// SQL over files as the history of a source, and entity rows as SQL.
#include <arrow/table.h>

#include "offline/sql_source.h"
#include "source/table_reader.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

class DuckDbOfflineStore final : public OfflineStore {
 public:
  explicit DuckDbOfflineStore(std::shared_ptr<SharedSqlDatabase> database) : database_(std::move(database)) {}

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(SqlDatabase* const database, DatabaseFor(source.query));
    return database->Describe(Ask(source, source.query, 0));
  }

  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    SALVER_ASSIGN(SqlDatabase* const database, DatabaseFor(source.query));
    SALVER_ASSIGN(const auto schema, database->Describe(Ask(source, source.query, 0)));
    SALVER_ASSIGN(const std::string sql, SelectNeeded(source.query, *schema, source.timestamp_field, needs));
    SqlQuery query = Ask(source, sql, kLinesBefore);
    query.cancelled = needs.cancelled;
    SALVER_ASSIGN(auto table, database->Query(query));
    return NewTableReader(std::move(table), source.timestamp_field);
  }

  Status Append(const DataSource& source, const arrow::Table&) override {
    return Status::FailedPrecondition(
        "data source \"" + source.name +
            "\" is a SQL query, so rows can not be added to it. Add them to what it reads.",
        Reason::kBadSource);
  }

  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override {
    SALVER_ASSIGN(SqlDatabase* const database, DatabaseFor(sql));
    return database->Query({.sql = sql, .asked_by = "the query", .deadline = database_->QueryDeadline()});
  }

  Result<std::shared_ptr<arrow::Table>> RunSql(const SqlRequest& request) override {
    SALVER_ASSIGN(SqlDatabase* const database, DatabaseFor(request.sql));
    return database->Query(Ask(request));
  }
  Result<std::shared_ptr<arrow::Schema>> DescribeSql(const SqlRequest& request) override {
    SALVER_ASSIGN(SqlDatabase* const database, DatabaseFor(request.sql));
    return database->Describe(Ask(request));
  }
  Result<std::string> SelectOf(const DataSource& source) override { return source.query; }

 private:
  // A query may name Delta Lake tables itself.
  Result<SqlDatabase*> DatabaseFor(const std::string& sql) {
    return sql.find("delta_scan") == std::string::npos ? database_->Get() : database_->GetWithDelta();
  }
  SqlQuery Ask(const DataSource& source, const std::string& sql, int lines_before) const {
    return {.sql = sql,
            .asked_by = "data source \"" + source.name + "\"",
            .lines_before = lines_before,
            .deadline = database_->QueryDeadline()};
  }

  SqlQuery Ask(const SqlRequest& request) const {
    SqlQuery query{.sql = request.sql,
                   .asked_by = request.asked_by,
                   .lines_before = request.lines_before,
                   .deadline = database_->QueryDeadline(),
                   .cancelled = request.cancelled};
    for (const auto& table : request.tables)
      query.inputs.push_back({.name = table.name, .table = table.rows});
    return query;
  }

  const std::shared_ptr<SharedSqlDatabase> database_;
};

}  // namespace

std::unique_ptr<OfflineStore> NewDuckDbOfflineStore(std::shared_ptr<SharedSqlDatabase> database) {
  return std::make_unique<DuckDbOfflineStore>(std::move(database));
}

}  // namespace salver
