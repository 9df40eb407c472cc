#include "online/sqlite/sqlite_load.h"

#include <algorithm>
#include <numeric>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/value_text.h"
#include "online/vector_distance.h"

namespace salver {
namespace {

int64_t FloorSeconds(int64_t micros) {
  return micros / 1'000'000 - (micros % 1'000'000 < 0 ? 1 : 0);
}

// What SQLite keeps of a feature beside its bytes: a row in the table and one in each of two indexes.
constexpr int64_t kRowOverhead = 64;

}  // namespace

std::string SqliteTable(const std::string& project, const FeatureView& view) {
  return QuotedName(project + "_" + view.name);
}

SqliteLoad::~SqliteLoad() {
  if (!open_) return;
  connection_->Rollback();
  // Kept, so that reading goes on: on a full disk a file in WAL mode can not be opened again.
  if (connection_->IsIdle()) give_back_(std::move(connection_));
}

Status SqliteLoad::Begin() {
  SALVER_RETURN_NOT_OK(connection_->Begin());
  open_ = true;
  return Status::OK();
}

Result<sqlite3_stmt*> SqliteLoad::Prepare(const FeatureView& view, const std::string& sql) {
  const auto prepared = connection_->Prepare(sql);
  if (!prepared.ok() && connection_->MissesTable()) return UnknownView(view, "sqlite");
  return prepared;
}

Result<SqliteLoad::Table*> SqliteLoad::TableOf(const FeatureView& view) {
  if (const auto found = in_use_.find(view.name); found != in_use_.end()) return &found->second;
  const std::string name = SqliteTable(project_, view);
  const std::string insert =
      "INSERT INTO " + name + " (entity_key, feature_name, value, value_text, event_ts, created_ts" +
      (vectors_ ? ", vector_value" : "") + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6" + (vectors_ ? ", ?7)" : ")");
  Table table;
  SALVER_ASSIGN(table.insert, Prepare(view, insert));
  // NULL created times count as older than any. Compare as one tuple: (event, created) >= (stored event,
  // stored created).
  SALVER_ASSIGN(
      table.upsert,
      Prepare(view, insert +
                        " ON CONFLICT(entity_key, feature_name) DO UPDATE SET value = excluded.value, "
                        "value_text = excluded.value_text,"
                        " event_ts = excluded.event_ts, created_ts = excluded.created_ts" +
                        std::string(vectors_ ? ", vector_value = excluded.vector_value" : "") +
                        " WHERE (excluded.event_ts, ifnull(excluded.created_ts, -9223372036854775808))"
                        " >= (event_ts, ifnull(created_ts, -9223372036854775808))"));
  table.by_name.resize(view.features.size());
  std::iota(table.by_name.begin(), table.by_name.end(), size_t{0});
  std::sort(table.by_name.begin(), table.by_name.end(),
            [&](size_t a, size_t b) { return view.features[a].name < view.features[b].name; });
  SALVER_ASSIGN(sqlite3_stmt* const last, Prepare(view, "SELECT max(entity_key) FROM " + name));
  if (sqlite3_step(last) != SQLITE_ROW) return connection_->Error("can not read");
  table.last_key = ColumnBytes(last, 0);
  sqlite3_reset(last);
  return &in_use_.emplace(view.name, std::move(table)).first->second;
}

Status SqliteLoad::WriteRow(const FeatureView& view, Table* table, std::string_view key, std::string_view row,
                            bool* written) {
  SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(row));
  const bool append = table->last_key < key;
  sqlite3_stmt* const statement = append ? table->insert : table->upsert;
  BindBlob(statement, 1, key);
  sqlite3_bind_int64(statement, 5, FloorSeconds(header.event_us));
  header.created_us == kNoCreatedTime ? sqlite3_bind_null(statement, 6)
                                      : sqlite3_bind_int64(statement, 6, FloorSeconds(header.created_us));
  for (const size_t i : table->by_name) {
    const Field& feature = view.features[i];
    OnlineCell cell;
    SALVER_RETURN_NOT_OK(DecodeRowCell(row, schema_, i, &cell));
    value_.clear();
    AppendCellValue(cell, feature.type, &value_);
    BindText(statement, 2, feature.name);
    BindBlob(statement, 3, value_);
    ValueText(cell, feature.type, &text_) ? BindText(statement, 4, text_)
                                          : void(sqlite3_bind_null(statement, 4));
    if (vectors_) {  // as sqlite-vec has it: the elements, one after the other
      const bool is_vector = feature.vector_index && VectorOf(cell, &vector_);
      is_vector ? BindBlob(statement, 7,
                           {reinterpret_cast<const char*>(vector_.data()), vector_.size() * sizeof(float)})
                : void(sqlite3_bind_null(statement, 7));
    }
    if (sqlite3_step(statement) != SQLITE_DONE) return connection_->Error("can not write");
    *written = *written || append || connection_->changes() > 0;
    sqlite3_reset(statement);
    bytes_ += kRowOverhead + static_cast<int64_t>(2 * key.size() + feature.name.size() + value_.size());
  }
  if (append) table->last_key.assign(key);
  return Status::OK();
}

Result<WriteCounts> SqliteLoad::Write(const FeatureView& view, const PackedRows& rows) {
  SALVER_ASSIGN(Table* const table, TableOf(view));
  schema_ = RowSchemaOf(view);
  WriteCounts counts;
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    bool written = false;
    SALVER_RETURN_NOT_OK(WriteRow(view, table, rows.keys[i], rows.rows[i], &written));
    ++(written ? counts.written : counts.older);
  }
  return counts;
}

Status SqliteLoad::SetMark(const FeatureView& view, std::string_view mark) {
  const std::string table = SqliteTable(project_, view);
  SALVER_ASSIGN(sqlite3_stmt* const statement,
                Prepare(view, mark.empty() ? "DELETE FROM " + table + std::string(kSqliteMarkIs)
                                           : "INSERT OR REPLACE INTO " + table +
                                                 " (entity_key, feature_name, value) VALUES (x'', '', ?1)"));
  if (!mark.empty()) BindBlob(statement, 1, mark);
  if (sqlite3_step(statement) != SQLITE_DONE) return connection_->Error("can not write");
  sqlite3_reset(statement);
  return Status::OK();
}

Status SqliteLoad::Commit() {
  SALVER_RETURN_NOT_OK(connection_->Commit());
  open_ = false;
  give_back_(std::move(connection_));
  writer_.unlock();
  return Status::OK();
}

}  // namespace salver
