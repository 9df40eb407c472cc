// What the files of this room share: one connection to DuckDB, and handles that free themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "salver/status.h"
#include "sql/duckdb_api.h"

namespace salver {

// A handle of DuckDB's C API with the function that frees it.
template <typename Handle, auto destroy>
class DuckDbHandle {
 public:
  explicit DuckDbHandle(const DuckDbApi* api) : api_(api) {}
  DuckDbHandle(const DuckDbApi* api, Handle handle) : api_(api), handle_(handle) {}
  DuckDbHandle(DuckDbHandle&& other) noexcept
      : api_(other.api_), handle_(std::exchange(other.handle_, nullptr)) {}
  DuckDbHandle& operator=(DuckDbHandle&&) = delete;
  ~DuckDbHandle() {
    if (handle_ != nullptr) (api_->*destroy)(&handle_);
  }
  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }

 private:
  const DuckDbApi* api_;
  Handle handle_ = nullptr;
};
using DuckDbDatabase = DuckDbHandle<duckdb_database, &DuckDbApi::close>;
using DuckDbConnection = DuckDbHandle<duckdb_connection, &DuckDbApi::disconnect>;
using DuckDbConfig = DuckDbHandle<duckdb_config, &DuckDbApi::destroy_config>;
using DuckDbStatement = DuckDbHandle<duckdb_prepared_statement, &DuckDbApi::destroy_prepare>;
using DuckDbStatements = DuckDbHandle<duckdb_extracted_statements, &DuckDbApi::destroy_extracted>;
using DuckDbChunk = DuckDbHandle<duckdb_data_chunk, &DuckDbApi::destroy_data_chunk>;
using DuckDbType = DuckDbHandle<duckdb_logical_type, &DuckDbApi::destroy_logical_type>;
using DuckDbArrowOptions = DuckDbHandle<duckdb_arrow_options, &DuckDbApi::destroy_arrow_options>;
using DuckDbArrowSchema =
    DuckDbHandle<duckdb_arrow_converted_schema, &DuckDbApi::destroy_arrow_converted_schema>;
using DuckDbError = DuckDbHandle<duckdb_error_data, &DuckDbApi::destroy_error_data>;

class DuckDbResult {
 public:
  explicit DuckDbResult(const DuckDbApi* api) : api_(api) {}
  DuckDbResult(const DuckDbResult&) = delete;
  ~DuckDbResult() { api_->destroy_result(&result_); }
  duckdb_result* out() { return &result_; }

 private:
  const DuckDbApi* api_;
  duckdb_result result_ = {};
};

class SqlInputs;

// The database that connections, streams and the functions registered in it keep alive.
struct SqlCore {
  explicit SqlCore(const DuckDbApi* functions) : api(functions), database(functions), converter(functions) {}
  const DuckDbApi* const api;
  std::string folder;
  std::string room;                   // what queries may use, as a sentence for one that needs more
  std::shared_ptr<SqlInputs> inputs;  // before the database, whose table function reads them
  DuckDbDatabase database;
  DuckDbConnection converter;  // turns Arrow into vectors; runs no query
};

// The error of a statement that did not parse, bind or run.
Status SqlFault(duckdb_error_type type, const std::string& message, const std::string& asked_by,
                int lines_before);

}  // namespace salver
