#include "offline/postgres/pushed_keys.h"

#include <arrow/table.h>

#include <cstdlib>

#include "offline/postgres/copy_encoder.h"

namespace salver::postgres {
namespace {

constexpr char kTable[] = "pg_temp.salver_wanted_keys";

// How many rows the planner thinks there are; 0 when it does not say.
Result<int64_t> EstimatedRows(Transaction* transaction, const Relation& relation,
                              const std::string& condition) {
  SALVER_ASSIGN(const auto rows, (*transaction)
                                     ->Query("EXPLAIN (FORMAT JSON) SELECT FROM " + relation.from +
                                             (condition.empty() ? "" : " WHERE " + condition)));
  const std::string text = rows.empty() ? "" : rows[0][0].value_or("");
  constexpr std::string_view kKey = "\"Plan Rows\": ";
  const size_t at = text.find(kKey);  // the first is the topmost node's
  return at == std::string::npos ? 0 : std::strtoll(text.c_str() + at + kKey.size(), nullptr, 10);
}

std::string Join(const std::vector<Column>& columns) {
  std::string join;
  for (const Column& column : columns) {
    const std::string name = QuoteIdentifier(column.name);
    join += (join.empty() ? "" : " AND ") + ("wanted." + name) + " = source." + name;
  }
  return std::string("EXISTS (SELECT FROM ") + kTable + " AS wanted WHERE " + join + ")";
}

Status Upload(Transaction* transaction, const Relation& relation, const std::vector<Column>& columns,
              const arrow::Table& keys, const std::string& join) {
  // The source's own types, whatever they are, so that the comparison is the source's.
  SALVER_RETURN_NOT_OK((*transaction)
                           ->Execute(std::string("CREATE TEMPORARY TABLE ") + kTable +
                                     " ON COMMIT DROP AS SELECT " + ColumnList(columns) + " FROM " +
                                     relation.from + " WITH NO DATA"));
  SALVER_ASSIGN(auto encoder, CopyEncoder::Make(relation.subject, columns, keys));
  SALVER_RETURN_NOT_OK((*transaction)
                           ->CopyIn(std::string("COPY ") + kTable + " FROM STDIN (FORMAT binary)",
                                    [&](std::string* piece) { return encoder.Next(piece); }));
  // A type may have no equality, as json.
  SALVER_RETURN_NOT_OK((*transaction)->Describe("SELECT FROM " + relation.from + " WHERE " + join).status());
  return (*transaction)->Execute(std::string("ANALYZE ") + kTable);
}

}  // namespace

Result<std::string> PushKeys(Transaction* transaction, const Relation& relation,
                             const std::vector<Column>& columns, const arrow::Table& keys,
                             const std::string& condition, const PostgresKeyRule& rule) {
  if (keys.num_rows() > rule.max_keys) return std::string();
  SALVER_ASSIGN(const int64_t rows, EstimatedRows(transaction, relation, condition));
  if (rows < rule.min_rows || rows < keys.num_rows() * rule.rows_per_key) return std::string();
  SALVER_RETURN_NOT_OK((*transaction)->Execute("SAVEPOINT before_keys"));
  const std::string join = Join(columns);
  const Status uploaded = Upload(transaction, relation, columns, keys, join);
  if (uploaded.ok()) return join;
  if (uploaded.code() == StatusCode::kCancelled) return uploaded;
  const Status back = (*transaction)->Execute("ROLLBACK TO SAVEPOINT before_keys");
  // Without a connection there is nothing to go back to: the first error says why.
  return back.ok() ? Result<std::string>(std::string()) : Result<std::string>(uploaded);
}

}  // namespace salver::postgres
