#include "sql/sql_database.h"

#include <arrow/array.h>
#include <arrow/compute/initialize.h>
#include <arrow/table.h>

#include <filesystem>
#include <map>

#include "base/arrow_status.h"
#include "base/files.h"
#include "base/parallel.h"
#include "sql/sql_stream.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

StatusCode CodeOf(duckdb_error_type type, const std::string& message) {
  switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return StatusCode::kResourceExhausted;
    case DUCKDB_ERROR_CATALOG:
      return StatusCode::kNotFound;
    case DUCKDB_ERROR_IO:
    case DUCKDB_ERROR_HTTP:
    case DUCKDB_ERROR_NETWORK:
      return StatusCode::kUnavailable;
    case DUCKDB_ERROR_PERMISSION:
      return StatusCode::kPermissionDenied;
    case DUCKDB_ERROR_INTERNAL:
    case DUCKDB_ERROR_FATAL:
      return StatusCode::kInternal;
    case DUCKDB_ERROR_INTERRUPT:
      return StatusCode::kCancelled;
    default:  // a statement that was only prepared has no type, but its message begins with it
      if (message.starts_with("Catalog Error")) return StatusCode::kNotFound;
      if (message.starts_with("IO Error")) return StatusCode::kUnavailable;
      return StatusCode::kInvalidArgument;
  }
}

bool DiskIsFull(const std::string& text) {
  return text.find("No space left on device") != std::string::npos ||
         text.find("Disk quota exceeded") != std::string::npos;
}

// What a query may use, and what to do when that is not enough.
std::string RoomOf(const SqlOptions& options) {
  const std::string memory = options.memory_limit_bytes > 0
                                 ? std::to_string(options.memory_limit_bytes) + " bytes of memory"
                                 : "most of this machine's memory";
  if (options.temporary_folder.empty())
    return "It may use " + memory + " and no disk. Raise memory_limit, or name a spill_folder.";
  return "It may use " + memory + " and what is free at \"" + options.temporary_folder +
         "\". Raise memory_limit, or free some space there.";
}

Status Set(const DuckDbApi& api, const DuckDbConfig& config, const char* name, const std::string& value) {
  if (api.set_config(config.get(), name, value.c_str()) == DuckDBSuccess) return Status::OK();
  return Status::Internal("DuckDB does not take \"" + value + "\" for its setting " + name + ".");
}

// Nothing from the network, nothing into the home folder, and nothing that SQL could change back.
Status Configure(const DuckDbApi& api, const SqlOptions& options, const DuckDbConfig& config) {
  const std::map<const char*, std::string> settings = {
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_community_extensions", "false"},
      {"allow_persistent_secrets", "false"},
      {"temp_directory", options.temporary_folder},
      {"file_search_path", options.folder},
      {"threads", std::to_string(ThreadCount(options.threads))},
  };
  for (const auto& [name, value] : settings) SALVER_RETURN_NOT_OK(Set(api, config, name, value));
  if (options.memory_limit_bytes <= 0) return Status::OK();
  return Set(api, config, "memory_limit", std::to_string(options.memory_limit_bytes) + "B");
}

class InMemoryDatabase final : public SqlDatabase {
 public:
  explicit InMemoryDatabase(const DuckDbApi* api) : core_(std::make_shared<SqlCore>(api)) {}

  Status Open(const SqlOptions& options) {
    const DuckDbApi& api = *core_->api;
    core_->folder = options.folder;
    core_->room = RoomOf(options);
    DuckDbConfig config(&api);
    if (api.create_config(config.out()) == DuckDBError)
      return Status::Internal("DuckDB gives no configuration.");
    SALVER_RETURN_NOT_OK(Configure(api, options, config));
    char* error = nullptr;
    if (api.open_ext(nullptr, core_->database.out(), config.get(), &error) == DuckDBError) {
      const std::string text = error == nullptr ? "no reason given" : error;
      api.free(error);
      return Status::Internal("DuckDB does not open: " + text);
    }
    if (api.connect(core_->database.get(), core_->converter.out()) == DuckDBError) {
      return Status::Internal("DuckDB gives no connection.");
    }
    DuckDbResult result(&api);
    if (api.query(core_->converter.get(), "SET GLOBAL TimeZone = 'UTC'", result.out()) == DuckDBError) {
      return Status::Internal(std::string("DuckDB has no time zones: ") + api.result_error(result.out()));
    }
    return RegisterSqlInputs(core_.get());
  }

  Result<std::unique_ptr<SqlStream>> Stream(const SqlQuery& query) override {
    DuckDbStatement statement(core_->api);
    SALVER_ASSIGN(auto session, Prepare(query, &statement));
    return StartStream(std::move(session), std::move(statement));
  }

  Result<std::shared_ptr<arrow::Schema>> Describe(const SqlQuery& query) override {
    DuckDbStatement statement(core_->api);
    SALVER_ASSIGN(const auto session, Prepare(query, &statement));
    SALVER_ASSIGN(const auto schema, SchemaOfStatement(*session, statement));
    return FittedSchema(*schema);
  }

  Result<std::string> Explain(const SqlQuery& query) override {
    DuckDbStatement select(core_->api), explain(core_->api);
    SALVER_ASSIGN(auto session, Prepare(query, &select));
    const std::string sql = "EXPLAIN " + query.sql;
    if (core_->api->prepare(session->connection(), sql.c_str(), explain.out()) == DuckDBError) {
      return session->Fault(DUCKDB_ERROR_INVALID, core_->api->prepare_error(explain.get()));
    }
    SALVER_ASSIGN(const auto stream, StartStream(std::move(session), std::move(explain)));
    std::string text;
    while (true) {
      SALVER_ASSIGN(const auto batch, stream->Next());
      if (batch == nullptr) return text;
      const auto& plans = static_cast<const arrow::StringArray&>(*batch->column(1));  // after its kind
      for (int64_t row = 0; row < plans.length(); ++row) text += plans.GetString(row);
    }
  }

  Status Execute(const SqlQuery& statements) override {
    SALVER_ASSIGN(const auto session, SqlSession::Open(core_, statements));
    return session->Run(statements.sql);
  }

  Status LoadExtension(const std::string& name) override {
    // Beside the library in the build tree as in the installed package.
    const std::string path = core_->api->folder + "/extensions/" + name + ".duckdb_extension";
    std::error_code none;
    if (!std::filesystem::exists(path, none)) {
      return Status::Unavailable("DuckDB's extension \"" + name + "\" is not at \"" + path +
                                 "\". Run scripts/bootstrap, or install the package again.");
    }
    return Execute({.sql = "LOAD " + QuoteSqlText(path), .asked_by = "DuckDB's extension \"" + name + "\""});
  }

 private:
  Result<std::unique_ptr<SqlSession>> Prepare(const SqlQuery& query, DuckDbStatement* statement) const {
    SALVER_ASSIGN(auto session, SqlSession::Open(core_, query));
    SALVER_RETURN_NOT_OK(session->PrepareSelect(query.sql, query.lines_before, statement));
    return session;
  }

  std::shared_ptr<SqlCore> core_;
};

}  // namespace

Status SqlFault(duckdb_error_type type, const std::string& message, const std::string& asked_by,
                int lines_before) {
  const std::string text = SqlMessage(message, lines_before);
  // A file that is not there is an I/O error among others to DuckDB, and the likeliest mistake to a person.
  const bool missing = text.find("No files found") != std::string::npos ||
                       text.find("No such file or directory") != std::string::npos;
  if (DiskIsFull(text)) {
    return Status::ResourceExhausted(
        asked_by + ", in its SQL: " + text + ". Free some space and run it again.", Reason::kBadSource);
  }
  const StatusCode code = missing ? StatusCode::kNotFound : CodeOf(type, message);
  const bool source = code != StatusCode::kInternal && code != StatusCode::kCancelled;
  return {code, asked_by + ", in its SQL: " + text, source ? Reason::kBadSource : Reason::kNone};
}

Result<std::shared_ptr<arrow::Table>> SqlDatabase::Query(const SqlQuery& query) {
  SALVER_ASSIGN(const auto stream, Stream(query));
  arrow::RecordBatchVector batches;
  while (true) {
    SALVER_ASSIGN(auto batch, stream->Next());
    if (batch == nullptr) break;
    batches.push_back(std::move(batch));
  }
  return FromArrow(arrow::Table::FromRecordBatches(stream->schema(), batches), query.asked_by);
}

Result<std::unique_ptr<SqlDatabase>> OpenSqlDatabase(const SqlOptions& options) {
  SALVER_RETURN_NOT_OK(FromArrow(arrow::compute::Initialize(), "Arrow's functions"));
  SALVER_ASSIGN(const DuckDbApi* api, LoadDuckDb());
  auto database = std::make_unique<InMemoryDatabase>(api);
  SALVER_RETURN_NOT_OK(database->Open(options));
  return std::unique_ptr<SqlDatabase>(std::move(database));
}

}  // namespace salver
