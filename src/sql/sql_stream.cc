#include "sql/sql_stream.h"

#include <arrow/c/bridge.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/one_line.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

constexpr int64_t kBatchRows = 128 * 1024;  // chunks of DuckDB hold 2048, too few for what follows

std::shared_ptr<arrow::Field> FittedField(const std::shared_ptr<arrow::Field>& field);

std::shared_ptr<arrow::DataType> FittedType(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      return static_cast<const arrow::DecimalType&>(*type).scale() == 0 ? arrow::int64() : arrow::float64();
    case arrow::Type::DICTIONARY:
      return static_cast<const arrow::DictionaryType&>(*type).value_type();
    case arrow::Type::LIST:
      return arrow::list(FittedField(static_cast<const arrow::ListType&>(*type).value_field()));
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) fields.push_back(FittedField(field));
      return arrow::struct_(std::move(fields));
    }
    default:
      return type;
  }
}

std::shared_ptr<arrow::Field> FittedField(const std::shared_ptr<arrow::Field>& field) {
  return field->WithType(FittedType(field->type()));
}

class ChunkStream final : public SqlStream {
 public:
  ChunkStream(std::unique_ptr<SqlSession> session, DuckDbStatement statement)
      : session_(std::move(session)),
        statement_(std::move(statement)),
        options_(&session_->api()),
        result_(&session_->api()) {}

  Status Start() {
    SALVER_ASSIGN(found_, SchemaOfStatement(*session_, statement_));
    schema_ = FittedSchema(*found_);
    session_->api().connection_get_arrow_options(session_->connection(), options_.out());
    if (session_->api().execute_prepared_streaming(statement_.get(), result_.out()) == DuckDBError)
      return Fault();
    return Status::OK();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    arrow::RecordBatchVector chunks;
    for (int64_t rows = 0; rows < kBatchRows && !ended_;) {
      SALVER_ASSIGN(auto chunk, NextChunk());
      if (chunk == nullptr) break;
      rows += chunk->num_rows();
      chunks.push_back(std::move(chunk));
    }
    if (chunks.empty()) return std::shared_ptr<arrow::RecordBatch>();
    SALVER_ASSIGN(const auto batch,
                  FromArrow(arrow::ConcatenateRecordBatches(chunks), session_->query().asked_by));
    return Fit(*batch);
  }

 private:
  // Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> NextChunk() {
    DuckDbChunk chunk(&session_->api(), session_->api().fetch_chunk(*result_.out()));
    const char* error = session_->api().result_error(result_.out());
    if (error != nullptr && *error != '\0') return Fault();
    if (chunk.get() == nullptr || session_->api().data_chunk_get_size(chunk.get()) == 0) {
      ended_ = true;
      return std::shared_ptr<arrow::RecordBatch>();
    }
    ArrowArray exported;
    const DuckDbError fault(&session_->api(),
                            session_->api().data_chunk_to_arrow(options_.get(), chunk.get(), &exported));
    if (fault.get() != nullptr && session_->api().error_data_has_error(fault.get())) {
      return session_->Fault(DUCKDB_ERROR_INTERNAL, session_->api().error_data_message(fault.get()));
    }
    return FromArrow(arrow::ImportRecordBatch(&exported, found_), session_->query().asked_by);
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Fit(const arrow::RecordBatch& batch) const {
    arrow::ArrayVector columns;
    for (int i = 0; i < batch.num_columns(); ++i) {
      const auto& field = *schema_->field(i);
      auto column = batch.column(i);
      if (!column->type()->Equals(*field.type())) {
        auto cast = arrow::compute::Cast(*column, field.type());
        if (!cast.ok()) {
          return Status::InvalidArgument(session_->query().asked_by + ": column \"" + field.name() +
                                             "\" is " + column->type()->ToString() +
                                             " and holds what does not fit into " + field.type()->ToString() +
                                             " (" + cast.status().message() +
                                             "). Cast it in the SQL, for instance to DOUBLE.",
                                         Reason::kBadSource);
        }
        column = *cast;
      }
      columns.push_back(std::move(column));
    }
    return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  }

  Status Fault() {
    ended_ = true;
    const char* error = session_->api().result_error(result_.out());
    return session_->Fault(session_->api().result_error_type(result_.out()), error == nullptr ? "" : error);
  }

  std::unique_ptr<SqlSession> session_;
  DuckDbStatement statement_;
  DuckDbArrowOptions options_;
  DuckDbResult result_;
  std::shared_ptr<arrow::Schema> found_, schema_;
  bool ended_ = false;
};

}  // namespace

SqlSession::SqlSession(std::shared_ptr<SqlCore> core, const SqlQuery& query)
    : core_(std::move(core)), query_(query), connection_(core_->api) {}

Result<std::unique_ptr<SqlSession>> SqlSession::Open(std::shared_ptr<SqlCore> core, const SqlQuery& query) {
  std::unique_ptr<SqlSession> session(new SqlSession(std::move(core), query));
  SALVER_RETURN_NOT_OK(session->Connect());
  SALVER_RETURN_NOT_OK(session->AddInputs());
  return session;
}

Status SqlSession::Connect() {
  if (api().connect(core_->database.get(), connection_.out()) == DuckDBError) {
    return Status::Internal(query_.asked_by + ": DuckDB gives no connection.");
  }
  watch_ = std::make_unique<SqlWatch>(api(), connection(), query_.deadline, query_.cancelled);
  return watch_->Verdict(query_.asked_by);
}

Status SqlSession::AddInputs() {
  for (const SqlInput& input : query_.inputs) {
    std::string select = "SELECT * FROM (\n" + input.sql + "\n)";
    if (input.table != nullptr) {
      SALVER_ASSIGN(auto scope,
                    AddSqlInput(core_, input.table, query_.asked_by + ", input \"" + input.name + "\""));
      select = "SELECT * FROM salver_rows(" + std::to_string(scope->number()) + ")";
      inputs_.push_back(std::move(scope));
    } else {
      DuckDbStatement statement(&api());
      SALVER_RETURN_NOT_OK(PrepareSelect(input.sql, 0, &statement));
    }
    SALVER_RETURN_NOT_OK(Run("CREATE TEMP VIEW " + QuoteSqlName(input.name) + " AS " + select));
  }
  return Status::OK();
}

Status SqlSession::Run(const std::string& sql) const {
  DuckDbResult result(&api());
  if (api().query(connection(), sql.c_str(), result.out()) == DuckDBSuccess) return Status::OK();
  return Fault(api().result_error_type(result.out()), api().result_error(result.out()));
}

Status SqlSession::PrepareSelect(const std::string& sql, int lines_before, DuckDbStatement* statement) const {
  SALVER_RETURN_NOT_OK(CheckFileNames(sql, core_->folder, query_.asked_by));
  DuckDbStatements statements(&api());
  const idx_t count = api().extract_statements(connection(), sql.c_str(), statements.out());
  if (count == 0) {
    const char* error = api().extract_statements_error(statements.get());
    return SqlFault(DUCKDB_ERROR_PARSER, error == nullptr ? "it is empty" : error, query_.asked_by,
                    lines_before);
  }
  const auto refused = [&](const std::string& what) {
    return Status::InvalidArgument(query_.asked_by + ": its SQL must be one SELECT and is " + what + ".",
                                   Reason::kBadSource);
  };
  if (count > 1) return refused(std::to_string(count) + " statements");
  if (api().prepare_extracted_statement(connection(), statements.get(), 0, statement->out()) == DuckDBError) {
    SALVER_RETURN_NOT_OK(watch_->Verdict(query_.asked_by));
    return SqlFault(DUCKDB_ERROR_INVALID, api().prepare_error(statement->get()), query_.asked_by,
                    lines_before);
  }
  const auto type = api().prepared_statement_type(statement->get());
  if (type != DUCKDB_STATEMENT_TYPE_SELECT) return refused("another statement");
  return Status::OK();
}

Status SqlSession::Fault(duckdb_error_type type, const std::string& message) const {
  if (watch_ != nullptr) SALVER_RETURN_NOT_OK(watch_->Verdict(query_.asked_by));
  if (type == DUCKDB_ERROR_OUT_OF_MEMORY) {
    // DuckDB goes on with advice on settings that nobody has here.
    const std::string what =
        message.substr(0, std::min(message.find("\nThis limit"), message.find("Possible sol")));
    return Status::ResourceExhausted(
        query_.asked_by + ", in its SQL: " + OnOneLine(what) + ". " + core_->room, Reason::kBadSource);
  }
  return SqlFault(type, message, query_.asked_by, query_.lines_before);
}

Result<std::shared_ptr<arrow::Schema>> SchemaOfStatement(const SqlSession& session,
                                                         const DuckDbStatement& statement) {
  const DuckDbApi& api = session.api();
  std::vector<DuckDbType> types;
  std::vector<duckdb_logical_type> raw;
  std::vector<const char*> names;
  for (idx_t i = 0; i < api.prepared_statement_column_count(statement.get()); ++i) {
    types.emplace_back(&api, api.prepared_statement_column_logical_type(statement.get(), i));
    raw.push_back(types.back().get());
    names.push_back(api.prepared_statement_column_name(statement.get(), i));
  }
  DuckDbArrowOptions options(&api);
  api.connection_get_arrow_options(session.connection(), options.out());
  ArrowSchema exported;
  const DuckDbError fault(
      &api, api.to_arrow_schema(options.get(), raw.data(), names.data(), raw.size(), &exported));
  for (const char* name : names) api.free(const_cast<char*>(name));
  if (fault.get() != nullptr && api.error_data_has_error(fault.get())) {
    return session.Fault(DUCKDB_ERROR_NOT_IMPLEMENTED, api.error_data_message(fault.get()));
  }
  return FromArrow(arrow::ImportSchema(&exported), session.query().asked_by);
}

std::shared_ptr<arrow::Schema> FittedSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) fields.push_back(FittedField(field));
  return arrow::schema(std::move(fields));
}

Result<std::unique_ptr<SqlStream>> StartStream(std::unique_ptr<SqlSession> session,
                                               DuckDbStatement statement) {
  auto stream = std::make_unique<ChunkStream>(std::move(session), std::move(statement));
  SALVER_RETURN_NOT_OK(stream->Start());
  return std::unique_ptr<SqlStream>(std::move(stream));
}

}  // namespace salver
