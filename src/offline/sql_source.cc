#include "offline/sql_source.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_aggregate.h>
#include <arrow/compute/api_vector.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/arrow_status.h"
#include "base/files.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

constexpr int64_t kListedKeys = 256;
// Years -290000 to 290000 fit into microseconds, but not into every unit a file may have; the first and the
// last of these bound nothing that happened.
constexpr int64_t kFirstMicros = -60'000'000'000'000'000, kLastMicros = 250'000'000'000'000'000;

// The moment as DuckDB writes one of the column's type, so that it compares without a cast of the column.
std::string TimeLiteral(const arrow::DataType& type, int64_t micros) {
  if (type.id() != arrow::Type::TIMESTAMP) return "make_timestamp(" + std::to_string(micros) + ")";
  const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
  return (timestamp.timezone().empty() ? "make_timestamp(" : "make_timestamptz(") + std::to_string(micros) +
         ")";
}

void AddTimes(const arrow::Field& event, const SourceNeeds& needs, std::vector<std::string>* conditions) {
  if (event.type()->id() != arrow::Type::TIMESTAMP && event.type()->id() != arrow::Type::DATE32) return;
  const std::string name = QuoteSqlName(event.name());
  // A date is the first moment of its day, a nanosecond within a microsecond is read as its beginning:
  // neither is cut.
  if (needs.min_event_us > kFirstMicros && needs.min_event_us < kLastMicros)
    conditions->push_back(name + " >= " + TimeLiteral(*event.type(), needs.min_event_us));
  if (needs.max_event_us > kFirstMicros && needs.max_event_us < kLastMicros)
    conditions->push_back(name + " < " + TimeLiteral(*event.type(), needs.max_event_us + 1));
}

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING;
}

std::string KeyLiteral(const arrow::Scalar& key) {
  return IsText(*key.type) ? QuoteSqlText(key.ToString()) : key.ToString();
}

Status AddKeys(const arrow::Field& column, const std::shared_ptr<arrow::ChunkedArray>& keys, bool only_key,
               std::vector<std::string>* conditions) {
  const bool same = (arrow::is_integer(column.type()->id()) && arrow::is_integer(keys->type()->id())) ||
                    (IsText(*column.type()) && IsText(*keys->type()));
  if (!same) return Status::OK();
  const std::string name = QuoteSqlName(column.name());
  SALVER_ASSIGN(const auto range, FromArrow(arrow::compute::MinMax(arrow::Datum(keys)), name));
  const auto& ends = static_cast<const arrow::StructScalar&>(*range.scalar());
  if (!ends.value[0]->is_valid) {
    conditions->push_back("false");  // no key, or null ones, which match nothing
    return Status::OK();
  }
  conditions->push_back(name + " BETWEEN " + KeyLiteral(*ends.value[0]) + " AND " +
                        KeyLiteral(*ends.value[1]));
  if (!only_key) return Status::OK();
  SALVER_ASSIGN(const auto distinct, FromArrow(arrow::compute::Unique(arrow::Datum(keys)), name));
  if (distinct->length() > kListedKeys) return Status::OK();
  std::string list;
  for (int64_t i = 0; i < distinct->length(); ++i) {
    SALVER_ASSIGN(const auto key, FromArrow(distinct->GetScalar(i), name));
    if (key->is_valid) list += (list.empty() ? "" : ", ") + KeyLiteral(*key);
  }
  conditions->push_back("list_contains([" + list + "], " + name + ")");
  return Status::OK();
}

}  // namespace

Result<SqlDatabase*> SharedSqlDatabase::Get() {
  const std::lock_guard lock(mutex_);
  if (database_ == nullptr) {
    SqlOptions options{.folder = options_.folder, .memory_limit_bytes = options_.memory_limit_bytes};
    static std::atomic<int> last = 0;  // one process may open several stores on one folder
    if (!options_.spill_folder.empty()) {
      // DuckDB makes the last folder of a path, and when it needs it.
      SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(options_.spill_folder));
      options.temporary_folder =
          options_.spill_folder + "/salver_sql_" + std::to_string(::getpid()) + "_" + std::to_string(++last);
    }
    SALVER_ASSIGN(database_, OpenSqlDatabase(options));
  }
  return database_.get();
}

Result<SqlDatabase*> SharedSqlDatabase::GetWithDelta() {
  SALVER_ASSIGN(SqlDatabase* const database, Get());
  const std::lock_guard lock(mutex_);
  if (!has_delta_) SALVER_RETURN_NOT_OK(database->LoadExtension("delta"));
  has_delta_ = true;
  return database;
}

Deadline SharedSqlDatabase::QueryDeadline() const {
  if (options_.query_timeout_seconds <= 0) return Deadline::Never();
  return Deadline::After(
      std::chrono::microseconds(static_cast<int64_t>(options_.query_timeout_seconds * 1e6)));
}

Result<std::string> SelectNeeded(const std::string& select, const arrow::Schema& schema,
                                 const std::string& event_column, const SourceNeeds& needs) {
  std::vector<std::string> columns, conditions;
  for (const std::string& name : needs.columns) {
    const bool seen = std::find(columns.begin(), columns.end(), name) != columns.end();
    if (!seen && schema.GetFieldIndex(name) >= 0) columns.push_back(name);
  }
  // Nothing that was asked for is there: the reader says which, once it is asked for rows.
  if (!needs.columns.empty() && columns.empty() && schema.num_fields() > 0)
    columns.push_back(schema.field(0)->name());
  if (const auto event = schema.GetFieldByName(event_column)) AddTimes(*event, needs, &conditions);
  for (int i = 0; needs.keys != nullptr && i < needs.keys->num_columns(); ++i) {
    const auto column = schema.GetFieldByName(needs.keys->field(i)->name());
    if (column == nullptr) continue;
    SALVER_RETURN_NOT_OK(
        AddKeys(*column, needs.keys->column(i), needs.keys->num_columns() == 1, &conditions));
  }
  std::string condition;
  for (const std::string& part : conditions) condition += (condition.empty() ? "" : " AND ") + part;
  return SelectFrom(select, columns, condition);
}

}  // namespace salver
