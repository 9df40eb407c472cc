#include "online/sqlite/sqlite_text_index.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace salver {
namespace {

// Always in quotes: names of columns come from features, and ':' is in that of the table.
std::string Quoted(std::string_view name, char quote) {
  std::string quoted(1, quote);
  for (const char c : name) quoted += c == quote ? std::string(2, c) : std::string(1, c);
  return quoted + quote;
}

std::vector<std::string> TextFeatures(const FeatureView& view) {
  std::vector<std::string> names;
  for (const Field& feature : view.features) {
    if (feature.type == ValueType::kString) names.push_back(feature.name);
  }
  return names;
}

// FTS5 has columns of its own called rank and rowid.
std::string ColumnOf(const std::string& feature) {
  std::string lower = feature;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return Quoted(lower == "rank" || lower == "rowid" ? feature + "_" : feature, '"');
}

// SELECT of documents: rowid, entity key and texts of each entity `a`.
std::string Documents(const std::string& table, const std::vector<std::string>& features) {
  std::string sql = "SELECT a.rowid, a.entity_key, a.value_text";
  for (size_t i = 1; i < features.size(); ++i) {
    sql += ", (SELECT value_text FROM " + table +
           " b WHERE b.entity_key = a.entity_key AND b.feature_name = " + Quoted(features[i], '\'') + ")";
  }
  return sql + " FROM " + table + " a WHERE a.feature_name = " + Quoted(features[0], '\'');
}

std::string Insert(const std::string& text_table, const std::vector<std::string>& features) {
  std::string sql = "INSERT INTO " + text_table + " (rowid, entity_key";
  for (const std::string& feature : features) sql += ", " + ColumnOf(feature);
  return sql + ") ";
}

Result<std::string> StoredSql(SqliteConnection* connection, const std::string& name) {
  SALVER_ASSIGN(sqlite3_stmt* const statement,
                connection->Prepare("SELECT sql FROM sqlite_master WHERE name = ?1"));
  BindText(statement, 1, name);
  const int step = sqlite3_step(statement);
  std::string sql(step == SQLITE_ROW ? ColumnBytes(statement, 0) : std::string_view());
  sqlite3_reset(statement);
  if (step != SQLITE_ROW && step != SQLITE_DONE) return connection->Error("can not read");
  return sql;
}

}  // namespace

std::string SqliteTextTable(const std::string& table_name) {
  return Quoted(table_name + ":text", '"');
}

Status FitSqliteTextIndex(SqliteConnection* connection, const std::string& table_name,
                          const FeatureView& view, bool wanted) {
  const std::vector<std::string> features = TextFeatures(view);
  const std::string table = QuotedName(table_name), text_table = SqliteTextTable(table_name);
  const std::string trigger = table_name + ":text_";
  const auto create = [&](const char* name, const char* event, const std::string& body) {
    return "CREATE TRIGGER " + Quoted(trigger + name, '"') + " AFTER " + event + " ON " + table + " " + body;
  };
  std::string written, names;
  if (wanted && !features.empty()) {
    for (const std::string& feature : features) names += (names.empty() ? "" : ", ") + Quoted(feature, '\'');
    const std::string of_entity = Documents(table, features) + " AND a.entity_key = NEW.entity_key";
    written = "WHEN NEW.feature_name IN (" + names + ") BEGIN DELETE FROM " + text_table +
              " WHERE rowid = (SELECT rowid FROM " + table +
              " WHERE entity_key = NEW.entity_key AND feature_name = " + Quoted(features[0], '\'') + "); " +
              Insert(text_table, features) + of_entity + "; END";
  }
  SALVER_ASSIGN(const std::string stored, StoredSql(connection, trigger + "insert"));
  if (stored == (written.empty() ? "" : create("insert", "INSERT", written))) return Status::OK();
  for (const char* name : {"insert", "update", "delete"})
    SALVER_RETURN_NOT_OK(connection->Run("DROP TRIGGER IF EXISTS " + Quoted(trigger + name, '"')));
  SALVER_RETURN_NOT_OK(connection->Run("DROP TABLE IF EXISTS " + text_table));
  if (written.empty()) return Status::OK();
  std::string columns = "entity_key UNINDEXED";
  for (const std::string& feature : features) columns += ", " + ColumnOf(feature);
  SALVER_RETURN_NOT_OK(connection->Run("CREATE VIRTUAL TABLE " + text_table + " USING fts5(" + columns +
                                       ", tokenize='porter unicode61')"));
  SALVER_RETURN_NOT_OK(connection->Run(create("insert", "INSERT", written)));
  SALVER_RETURN_NOT_OK(connection->Run(create("update", "UPDATE", written)));
  SALVER_RETURN_NOT_OK(
      connection->Run(create("delete", "DELETE",
                             "WHEN OLD.feature_name = " + Quoted(features[0], '\'') + " BEGIN DELETE FROM " +
                                 text_table + " WHERE rowid = OLD.rowid; END")));
  return connection->Run(Insert(text_table, features) + Documents(table, features));
}

}  // namespace salver
