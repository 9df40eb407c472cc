#include "online/sqlite/sqlite_search.h"

#include <algorithm>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/row_deadline.h"
#include "online/sqlite/sqlite_text_index.h"

namespace salver {
namespace {

// The features of one entity that a search looks at, gathered from their rows.
class GatheredRow {
 public:
  GatheredRow(const FeatureView& view, std::span<const ColumnId> columns)
      : view_(view), columns_(columns), bytes_(columns.size()), cells_(columns.size()) {}

  void Clear() {
    std::fill(cells_.begin(), cells_.end(), OnlineCell());
    event_us_ = INT64_MIN;
  }
  // feature_name, value, event_ts from column `at` of a statement on.
  Status Take(sqlite3_stmt* statement, int at) {
    event_us_ = std::max<int64_t>(event_us_, sqlite3_column_int64(statement, at + 2) * 1'000'000);
    const std::string_view name = ColumnBytes(statement, at);
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Field& feature = view_.features[columns_[i]];
      if (feature.name != name) continue;
      bytes_[i] = ColumnBytes(statement, at + 1);
      const Status status = DecodeValue(bytes_[i], feature.type, &cells_[i]);
      if (!status.ok())
        return Status::DataLoss("feature view \"" + view_.name + "\", feature \"" + feature.name +
                                "\": " + status.message());
    }
    return Status::OK();
  }
  int64_t event_us() const { return event_us_; }
  std::span<const OnlineCell> cells() const { return cells_; }

 private:
  const FeatureView& view_;
  const std::span<const ColumnId> columns_;
  std::vector<std::string> bytes_;  // what cells point into
  std::vector<OnlineCell> cells_;
  int64_t event_us_ = INT64_MIN;
};

Result<sqlite3_stmt*> Prepare(SqliteConnection* connection, const FeatureView& view, const std::string& sql) {
  const auto prepared = connection->Prepare(sql);
  if (!prepared.ok() && connection->MissesTable()) return UnknownView(view, "sqlite");
  return prepared;
}

Status ScanVectors(SqliteConnection* connection, const std::string& table, const OnlineSearch& search,
                   NearestRows* nearest, Deadline deadline) {
  std::string sql =
      "SELECT entity_key, feature_name, value, event_ts FROM " + table + " WHERE feature_name IN (";
  for (size_t i = 0; i < nearest->columns().size(); ++i) sql += i > 0 ? ", ?" : "?";
  // Of one feature each row is another entity; of several they have to come together.
  sql += nearest->columns().size() > 1 ? ") ORDER BY entity_key" : ")";
  SALVER_ASSIGN(sqlite3_stmt* const statement, Prepare(connection, *search.view, sql));
  for (size_t i = 0; i < nearest->columns().size(); ++i)
    BindText(statement, static_cast<int>(i + 1), search.view->features[nearest->columns()[i]].name);
  GatheredRow row(*search.view, nearest->columns());
  std::string key;
  bool any = false;
  int step;
  RowDeadline row_deadline(deadline);
  const auto offer = [&] {
    if (any) nearest->Offer(key, row.event_us(), row.cells());
    row.Clear();
  };
  while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
    if (row_deadline.Passed()) return DeadlinePassed(*search.view, "searching");
    const std::string_view next = ColumnBytes(statement, 0);
    if (!any || next != key) {
      offer();
      key = next;
      any = true;
    }
    SALVER_RETURN_NOT_OK(row.Take(statement, 1));
  }
  if (step != SQLITE_DONE) return connection->Error("can not search");
  offer();
  sqlite3_reset(statement);
  return Status::OK();
}

Status NoWords(const OnlineSearch& search) {
  return Status::FailedPrecondition(
      "the words of feature view \"" + search.view->name +
          "\" are not kept. It needs a STRING feature and, with text_search_enabled: "
          "true in feature_store.yaml, another run of `salver apply`.",
      Reason::kBadConfig);
}

Status ScanWords(SqliteConnection* connection, const std::string& table_name, const OnlineSearch& search,
                 NearestRows* nearest, Deadline deadline) {
  const std::string table = QuotedName(table_name), text_table = SqliteTextTable(table_name);
  SALVER_ASSIGN(sqlite3_stmt* const features,
                Prepare(connection, *search.view,
                        "SELECT feature_name, value, event_ts FROM " + table + " WHERE entity_key = ?"));
  const auto prepared = connection->Prepare("SELECT entity_key, rank FROM " + text_table + " WHERE " +
                                            text_table + " MATCH ?1 ORDER BY rank LIMIT ?2");
  if (!prepared.ok()) return connection->MissesTable() ? NoWords(search) : prepared.status();
  sqlite3_stmt* const matches = *prepared;
  BindText(matches, 1, search.text);
  const bool best_are_known = !nearest->has_vector() && !nearest->is_filtered();
  sqlite3_bind_int64(matches, 2, best_are_known ? static_cast<int64_t>(search.top_k) : -1);
  GatheredRow row(*search.view, nearest->columns());
  int step;
  while ((step = sqlite3_step(matches)) == SQLITE_ROW) {
    if (deadline.Passed()) return DeadlinePassed(*search.view, "searching");
    const std::string_view key = ColumnBytes(matches, 0);
    row.Clear();
    sqlite3_reset(features);
    BindBlob(features, 1, key);
    int found;
    while ((found = sqlite3_step(features)) == SQLITE_ROW) SALVER_RETURN_NOT_OK(row.Take(features, 0));
    if (found != SQLITE_DONE) return connection->Error("can not search");
    nearest->Offer(key, row.event_us(), row.cells(), sqlite3_column_double(matches, 1));
  }
  sqlite3_reset(features);
  if (step == SQLITE_ERROR) {  // what FTS5 says of its queries
    const Status told = connection->Error("can not search");
    sqlite3_reset(matches);
    return Status::InvalidArgument("query_string \"" + std::string(search.text) + "\" is no query of FTS5: " +
                                   told.message() + " Put words that hold signs between double quotes.");
  }
  if (step != SQLITE_DONE) return connection->Error("can not search");
  sqlite3_reset(matches);
  return Status::OK();
}

}  // namespace

Status SearchSqlite(SqliteConnection* connection, const std::string& table_name, const OnlineSearch& search,
                    NearestRows* nearest, Deadline deadline) {
  return search.text.empty() ? ScanVectors(connection, QuotedName(table_name), search, nearest, deadline)
                             : ScanWords(connection, table_name, search, nearest, deadline);
}

}  // namespace salver
