#include "sql/sql_input.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/arrow_status.h"

namespace salver {

// A column is turned into a vector by itself: a query pays for the columns it reads.
struct InputColumn {
  std::string name;
  std::shared_ptr<arrow::Schema> schema;  // of this column alone
  DuckDbArrowSchema converted;
  DuckDbType type;
};

struct InputTable {
  struct Piece {
    size_t batch;
    int64_t begin, rows;
  };
  std::shared_ptr<SqlCore> core() const { return core_.lock(); }
  std::weak_ptr<SqlCore> core_;
  std::vector<InputColumn> columns;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::vector<Piece> pieces;  // of at most kPieceRows rows
  int64_t rows = 0;
};

namespace {

constexpr int64_t kPieceRows = 2048;  // what a vector of DuckDB holds

struct Scan {
  std::vector<idx_t> columns;
  std::atomic<size_t> next_piece = 0;
};

template <typename T>
void Delete(void* pointer) {
  delete static_cast<T*>(pointer);
}

Status ErrorOf(const DuckDbApi& api, duckdb_error_data error, const std::string& subject) {
  const DuckDbError owned(&api, error);
  if (error == nullptr || !api.error_data_has_error(error)) return Status::OK();
  return Status::InvalidArgument(subject + ": " + api.error_data_message(error), Reason::kBadSource);
}

// One column of a batch as a chunk of DuckDB that shares its memory.
Status ToChunk(const SqlCore& core, const InputColumn& column, const std::shared_ptr<arrow::Array>& array,
               DuckDbChunk* chunk) {
  ArrowArray exported;
  const auto batch = arrow::RecordBatch::Make(column.schema, array->length(), {array});
  SALVER_RETURN_NOT_OK(FromArrow(arrow::ExportRecordBatch(*batch, &exported), column.name));
  const Status status = ErrorOf(
      *core.api,
      core.api->data_chunk_from_arrow(core.converter.get(), &exported, column.converted.get(), chunk->out()),
      "column \"" + column.name + "\"");
  if (exported.release != nullptr) exported.release(&exported);  // not taken over
  return status;
}

Result<InputColumn> ToColumn(const SqlCore& core, const arrow::Field& field, const std::string& subject) {
  InputColumn column{field.name(), arrow::schema({arrow::field(field.name(), field.type())}),
                     DuckDbArrowSchema(core.api), DuckDbType(core.api)};
  ArrowSchema exported;
  SALVER_RETURN_NOT_OK(FromArrow(arrow::ExportSchema(*column.schema, &exported), subject));
  const Status status =
      ErrorOf(*core.api, core.api->schema_from_arrow(core.converter.get(), &exported, column.converted.out()),
              subject + ", column \"" + field.name() + "\"");
  if (exported.release != nullptr) exported.release(&exported);
  SALVER_RETURN_NOT_OK(status);
  SALVER_ASSIGN(const auto none, FromArrow(arrow::MakeArrayOfNull(field.type(), 1), subject));
  DuckDbChunk chunk(core.api);
  SALVER_RETURN_NOT_OK(ToChunk(core, column, none, &chunk));
  *column.type.out() = core.api->vector_get_column_type(core.api->data_chunk_get_vector(chunk.get(), 0));
  return column;
}

const DuckDbApi& Api() {
  return **LoadDuckDb();
}  // callbacks run only once it is loaded

void Bind(duckdb_bind_info info) {
  const DuckDbApi& api = Api();
  auto* inputs = static_cast<SqlInputs*>(api.bind_get_extra_info(info));
  duckdb_value parameter = api.bind_get_parameter(info, 0);
  const auto table = inputs->Find(api.get_int64(parameter));
  api.destroy_value(&parameter);
  if (table == nullptr) return api.bind_set_error(info, "the rows behind this name are gone");
  for (const InputColumn& column : table->columns) {
    api.bind_add_result_column(info, column.name.c_str(), column.type.get());
  }
  api.bind_set_cardinality(info, static_cast<idx_t>(table->rows), /*is_exact=*/true);
  using Shared = std::shared_ptr<const InputTable>;
  api.bind_set_bind_data(info, new Shared(table), Delete<Shared>);
}

const InputTable& TableOf(void* bind_data) {
  return **static_cast<std::shared_ptr<const InputTable>*>(bind_data);
}

void Init(duckdb_init_info info) {
  const DuckDbApi& api = Api();
  auto scan = std::make_unique<Scan>();
  for (idx_t i = 0; i < api.init_get_column_count(info); ++i) {
    scan->columns.push_back(api.init_get_column_index(info, i));
  }
  api.init_set_max_threads(info, 1 + TableOf(api.init_get_bind_data(info)).pieces.size() / 64);
  api.init_set_init_data(info, scan.release(), Delete<Scan>);
}

void Read(duckdb_function_info info, duckdb_data_chunk output) {
  const DuckDbApi& api = Api();
  const InputTable& table = TableOf(api.function_get_bind_data(info));
  Scan& scan = *static_cast<Scan*>(api.function_get_init_data(info));
  const size_t at = scan.next_piece.fetch_add(1);
  if (at >= table.pieces.size()) return api.data_chunk_set_size(output, 0);
  const InputTable::Piece& piece = table.pieces[at];
  const auto core = table.core();
  for (size_t i = 0; i < scan.columns.size(); ++i) {
    if (scan.columns[i] >= table.columns.size()) continue;  // the row number, when rows are only counted
    const InputColumn& column = table.columns[scan.columns[i]];
    const auto array =
        table.batches[piece.batch]->column(static_cast<int>(scan.columns[i]))->Slice(piece.begin, piece.rows);
    DuckDbChunk chunk(&api);
    if (const Status status = ToChunk(*core, column, array, &chunk); !status.ok()) {
      return api.function_set_error(info, status.message().c_str());
    }
    api.vector_reference_vector(api.data_chunk_get_vector(output, i),
                                api.data_chunk_get_vector(chunk.get(), 0));
  }
  api.data_chunk_set_size(output, static_cast<idx_t>(piece.rows));
}

}  // namespace

int64_t SqlInputs::Add(std::shared_ptr<const InputTable> table) {
  const std::lock_guard lock(mutex_);
  tables_[++last_] = std::move(table);
  return last_;
}

void SqlInputs::Remove(int64_t number) {
  const std::lock_guard lock(mutex_);
  tables_.erase(number);
}

std::shared_ptr<const InputTable> SqlInputs::Find(int64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = tables_.find(number);
  return found == tables_.end() ? nullptr : found->second;
}

SqlInputScope::~SqlInputScope() {
  core_->inputs->Remove(number_);
}

Result<std::unique_ptr<SqlInputScope>> AddSqlInput(const std::shared_ptr<SqlCore>& core,
                                                   const std::shared_ptr<arrow::Table>& table,
                                                   const std::string& subject) {
  auto input = std::make_shared<InputTable>();
  input->core_ = core;
  input->rows = table->num_rows();
  for (const auto& field : table->schema()->fields()) {
    SALVER_ASSIGN(InputColumn column, ToColumn(*core, *field, subject));
    input->columns.push_back(std::move(column));
  }
  arrow::TableBatchReader reader(*table);
  while (true) {
    SALVER_ASSIGN(auto batch, FromArrow(reader.Next(), subject));
    if (batch == nullptr) break;
    for (int64_t begin = 0; begin < batch->num_rows(); begin += kPieceRows) {
      input->pieces.push_back(
          {input->batches.size(), begin, std::min(kPieceRows, batch->num_rows() - begin)});
    }
    input->batches.push_back(std::move(batch));
  }
  return std::make_unique<SqlInputScope>(core, core->inputs->Add(std::move(input)));
}

Status RegisterSqlInputs(SqlCore* core) {
  const DuckDbApi& api = *core->api;
  core->inputs = std::make_shared<SqlInputs>();
  DuckDbHandle<duckdb_table_function, &DuckDbApi::destroy_table_function> function(
      &api, api.create_table_function());
  api.table_function_set_name(function.get(), "salver_rows");
  const DuckDbType number(&api, api.create_logical_type(DUCKDB_TYPE_BIGINT));
  api.table_function_add_parameter(function.get(), number.get());
  api.table_function_set_extra_info(function.get(), core->inputs.get(), nullptr);
  api.table_function_set_bind(function.get(), Bind);
  api.table_function_set_init(function.get(), Init);
  api.table_function_set_function(function.get(), Read);
  api.table_function_supports_projection_pushdown(function.get(), true);
  if (api.register_table_function(core->converter.get(), function.get()) == DuckDBError) {
    return Status::Internal("DuckDB does not take the function that reads Arrow tables.");
  }
  return Status::OK();
}

}  // namespace salver
