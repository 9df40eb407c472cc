// The SQL of virtual features in DuckDB (room `sql`), with the entity filter inside and answers kept while
// nothing that they came from has changed.
#include <arrow/array.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "base/clock.h"
#include "groups/group_registry.h"
#include "groups/sql_words.h"
#include "groups/table_cache.h"
#include "salver/query_executor.h"
#include "sql/sql_database.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

// More keys than this are a table that is joined with, not a list of values.
constexpr size_t kMaxListed = 10'000;
constexpr char kKeysTable[] = "salver_entity_keys";

// A key as SQL; "" for null.
std::string LiteralOf(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "";
  switch (array.type_id()) {
    case arrow::Type::INT32:
      return std::to_string(static_cast<const arrow::Int32Array&>(array).Value(row));
    case arrow::Type::INT64:
      return std::to_string(static_cast<const arrow::Int64Array&>(array).Value(row));
    case arrow::Type::TIMESTAMP:
      return "make_timestamptz(" +
             std::to_string(static_cast<const arrow::TimestampArray&>(array).Value(row)) + ")";
    default:
      return QuoteSqlText(static_cast<const arrow::StringArray&>(array).GetView(row));
  }
}

std::set<std::string> LiteralsOf(const arrow::ChunkedArray& column) {
  std::set<std::string> literals;
  for (const auto& chunk : column.chunks()) {
    for (int64_t i = 0; i < chunk->length() && literals.size() <= kMaxListed; ++i) {
      if (std::string literal = LiteralOf(*chunk, i); !literal.empty()) literals.insert(std::move(literal));
    }
  }
  return literals;
}

// "a" IN (1, 2) AND "b" IN ('x'): holds for every row with one of the keys. A filter of constants goes
// through views, joins and GROUP BY of the key down to the scan of the files.
std::string KeyFilter(const arrow::Table& keys) {
  std::string filter;
  for (int i = 0; i < keys.num_columns(); ++i) {
    const std::string name = QuoteSqlName(keys.field(i)->name());
    const auto literals = LiteralsOf(*keys.column(i));
    std::string list;
    if (literals.size() > kMaxListed) {
      list = "SELECT " + name + " FROM " + kKeysTable;
    } else {
      for (const std::string& literal : literals) list += (list.empty() ? "" : ", ") + literal;
      if (list.empty()) return "false";  // all keys are null: nothing matches
    }
    filter += (filter.empty() ? "" : " AND ") + name + " IN (" + list + ")";
  }
  return filter;
}

class DuckDBQueryExecutor final : public QueryExecutor {
 public:
  DuckDBQueryExecutor(std::unique_ptr<SqlDatabase> database, const DuckDBQueryExecutorOptions& options)
      : database_(std::move(database)),
        options_(options),
        cache_(options.enable_caching ? options.cache_size_mb << 20 : 0) {}

  const char* name() const override { return "duckdb"; }

  Result<TablePtr> Execute(const FeatureQuery& query) override {
    const Prepared prepared = Prepare(query);
    const std::string key = CacheKey(query, prepared);
    if (!key.empty()) {
      if (auto cached = cache_.Find(key); cached != nullptr) return cached;
    }
    SALVER_RETURN_NOT_OK(LoadExtensions(query));
    auto rows = database_->Query(prepared.sql);
    if (!rows.ok()) return Fault(rows.status());
    if (!key.empty()) cache_.Add(key, *rows);
    return std::move(rows).value();
  }

  Result<std::string> Explain(const FeatureQuery& query) override {
    SALVER_RETURN_NOT_OK(LoadExtensions(query));
    auto plan = database_->Explain(Prepare(query).sql);
    if (!plan.ok()) return Fault(plan.status());
    return std::move(plan).value();
  }

  CacheStats cache_stats() const override { return cache_.stats(); }

 private:
  struct Prepared {
    SqlQuery sql;
    bool repeatable = false;
  };

  Prepared Prepare(const FeatureQuery& query) const {
    Prepared prepared;
    SqlQuery& to = prepared.sql;
    to.sql = SelectFrom(query.sql, query.columns, query.keys == nullptr ? "" : KeyFilter(*query.keys));
    to.lines_before = kLinesBefore;
    to.asked_by = query.asked_by;
    to.cancelled = query.cancelled;
    if (options_.query_timeout_seconds > 0) {
      to.deadline = Deadline::After(std::chrono::microseconds(
          static_cast<int64_t>(options_.query_timeout_seconds * static_cast<double>(kMicrosPerSecond))));
    }
    for (const QueryTable& table : query.tables) to.inputs.push_back({table.name, table.rows, table.sql});
    if (to.sql.find(kKeysTable) != std::string::npos) to.inputs.push_back({kKeysTable, query.keys, ""});
    prepared.repeatable = WordsOf(query.sql).repeatable;
    return prepared;
  }

  Status LoadExtensions(const FeatureQuery& query) {
    for (const QueryTable& table : query.tables) {
      if (table.extension.empty()) continue;
      std::lock_guard lock(mutex_);
      if (extensions_.contains(table.extension)) continue;
      if (const Status status = database_->LoadExtension(table.extension); !status.ok()) return Fault(status);
      extensions_.insert(table.extension);
    }
    return Status::OK();
  }

  // Empty: its answer is not to be kept.
  std::string CacheKey(const FeatureQuery& query, const Prepared& prepared) const {
    const bool keys_listed = prepared.sql.sql.find(kKeysTable) == std::string::npos;
    if (!options_.enable_caching || !prepared.repeatable || !keys_listed) return "";
    std::string key = prepared.sql.sql;
    for (const QueryTable& table : query.tables) {
      if (table.identity.empty()) return "";
      key.append("\n").append(table.name).append("=").append(table.identity);
    }
    return key;
  }

  Status Fault(const Status& status) const {
    std::string text = status.message();
    if (status.code() == StatusCode::kDeadlineExceeded) {
      text += " query_timeout_seconds is " + std::to_string(options_.query_timeout_seconds) +
              ": raise it, or ask for fewer entities.";
    }
    return Status(status.code(), std::move(text), Reason::kVirtualizationQuery);
  }

  const std::unique_ptr<SqlDatabase> database_;
  const DuckDBQueryExecutorOptions options_;
  AnswerCache<arrow::Table> cache_;
  std::mutex mutex_;
  std::set<std::string> extensions_;  // loaded
};

}  // namespace

Result<std::shared_ptr<QueryExecutor>> NewDuckDBQueryExecutor(const DuckDBQueryExecutorOptions& options) {
  if (options.query_timeout_seconds < 0 || options.cache_size_mb < 0) {
    return Status::InvalidArgument("query_timeout_seconds or cache_size_mb is negative.", Reason::kBadConfig);
  }
  auto database = OpenSqlDatabase({.folder = options.folder,
                                   .temporary_folder = options.temporary_folder,
                                   .memory_limit_bytes = options.memory_limit_bytes});
  if (!database.ok()) return WithReason(database.status(), Reason::kVirtualizationQuery);
  return std::shared_ptr<QueryExecutor>(new DuckDBQueryExecutor(std::move(database).value(), options));
}

}  // namespace salver
