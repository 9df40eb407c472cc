// What a store itself can do: loads the rows that Salver wrote into a store of the same kind, out of memory
// and in key order, and prints how long it took.
//
//   salver_raw_load lmdb FOLDER NEW_FOLDER      every table of the LMDB environment, with MDB_APPEND
//   salver_raw_load sqlite FILE NEW_FILE        every table of Feast's layout, with one prepared INSERT a
//   table
//
// Durability is that of Salver's own stores: LMDB without MDB_NOSYNC, so every commit is synced; SQLite with
// journal_mode WAL and synchronous FULL. Both commit every 16 MB, as Salver does. The clock starts when the
// rows are in memory and the store is open, and stops after the last commit. One line of JSON.
#include <lmdb.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

constexpr size_t kCommitBytes = 16 << 20;
using Clock = std::chrono::steady_clock;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

void PrintResult(Clock::time_point began, size_t rows) {
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::printf("{\"seconds\": %.6f, \"rows\": %zu}\n", seconds, rows);
}

void Check(int error, const char* what) {
  if (error != 0) Fail(std::string(what) + ": " + mdb_strerror(error));
}

MDB_env* OpenEnvironment(const std::string& folder, unsigned flags) {
  MDB_env* env;
  Check(mdb_env_create(&env), "mdb_env_create");
  mdb_env_set_mapsize(env, size_t{64} << 30);
  mdb_env_set_maxdbs(env, 1024);
  Check(mdb_env_open(env, folder.c_str(), flags, 0644), "mdb_env_open");
  return env;
}

struct Record {
  std::string key, value;
};
struct Table {
  std::string name;
  std::vector<Record> records;
};

std::vector<Table> ReadEnvironment(const std::string& folder) {
  MDB_env* env = OpenEnvironment(folder, MDB_RDONLY);
  MDB_txn* txn;
  MDB_dbi main;
  MDB_cursor* cursor;
  Check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), "mdb_txn_begin");
  Check(mdb_dbi_open(txn, nullptr, 0, &main), "mdb_dbi_open");
  Check(mdb_cursor_open(txn, main, &cursor), "mdb_cursor_open");
  std::vector<Table> tables;
  MDB_val key, value;
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    const std::string name(static_cast<char*>(key.mv_data), key.mv_size);
    MDB_dbi rows;
    if (name[0] != 'R' || mdb_dbi_open(txn, name.c_str(), 0, &rows) != 0) continue;
    Table& table = tables.emplace_back(Table{name, {}});
    MDB_cursor* walk;
    Check(mdb_cursor_open(txn, rows, &walk), "mdb_cursor_open");
    MDB_val k, v;
    while (mdb_cursor_get(walk, &k, &v, MDB_NEXT) == 0)
      table.records.push_back({std::string(static_cast<char*>(k.mv_data), k.mv_size),
                               std::string(static_cast<char*>(v.mv_data), v.mv_size)});
    mdb_cursor_close(walk);
  }
  mdb_txn_abort(txn);
  mdb_env_close(env);
  return tables;
}

void LoadLmdb(const std::string& from, const std::string& to) {
  const std::vector<Table> tables = ReadEnvironment(from);
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  MDB_env* env = OpenEnvironment(to, 0);
  const auto began = Clock::now();
  size_t rows = 0, bytes = 0;
  MDB_txn* txn = nullptr;
  for (const Table& table : tables) {
    MDB_cursor* cursor = nullptr;
    for (const Record& record : table.records) {
      if (txn == nullptr) Check(mdb_txn_begin(env, nullptr, 0, &txn), "mdb_txn_begin");
      if (cursor == nullptr) {
        MDB_dbi dbi;
        Check(mdb_dbi_open(txn, table.name.c_str(), MDB_CREATE, &dbi), "mdb_dbi_open");
        Check(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");
      }
      MDB_val key{record.key.size(), const_cast<char*>(record.key.data())};
      MDB_val value{record.value.size(), const_cast<char*>(record.value.data())};
      Check(mdb_cursor_put(cursor, &key, &value, MDB_APPEND), "mdb_cursor_put");
      ++rows;
      bytes += record.key.size() + record.value.size();
      if (bytes < kCommitBytes) continue;
      Check(mdb_txn_commit(txn), "mdb_txn_commit");
      txn = nullptr;
      cursor = nullptr;
      bytes = 0;
    }
  }
  if (txn != nullptr) Check(mdb_txn_commit(txn), "mdb_txn_commit");
  PrintResult(began, rows);
  mdb_env_close(env);
}

void Check(sqlite3* db, int code, const char* what) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
    Fail(std::string(what) + ": " + sqlite3_errmsg(db));
}

void Execute(sqlite3* db, const std::string& sql) {
  Check(db, sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), sql.c_str());
}

struct SqliteRow {
  std::string key, feature, value, text;
  bool has_text;
  int64_t event;
  sqlite3_value* created;  // kept as it is: NULL or a number
};
struct SqliteTable {
  std::string name;
  std::vector<std::string> schema;  // the table and its index
  std::vector<SqliteRow> rows;
};

std::string Bytes(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  return {static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

std::vector<SqliteTable> ReadDatabase(sqlite3* db) {
  std::vector<SqliteTable> tables;
  sqlite3_stmt* statement;
  Check(db,
        sqlite3_prepare_v2(db, "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid",
                           -1, &statement, nullptr),
        "schema");
  while (sqlite3_step(statement) == SQLITE_ROW) {
    const std::string name = Bytes(statement, 0);
    if (tables.empty() || tables.back().name != name) tables.push_back({name, {}, {}});
    tables.back().schema.push_back(Bytes(statement, 1));
  }
  sqlite3_finalize(statement);
  for (SqliteTable& table : tables) {
    const std::string sql =
        "SELECT entity_key, feature_name, value, value_text, event_ts, created_ts FROM \"" + table.name +
        "\" ORDER BY entity_key, feature_name";
    Check(db, sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), sql.c_str());
    while (sqlite3_step(statement) == SQLITE_ROW) {
      table.rows.push_back({Bytes(statement, 0), Bytes(statement, 1), Bytes(statement, 2),
                            Bytes(statement, 3), sqlite3_column_type(statement, 3) != SQLITE_NULL,
                            sqlite3_column_int64(statement, 4),
                            sqlite3_value_dup(sqlite3_column_value(statement, 5))});
    }
    sqlite3_finalize(statement);
  }
  return tables;
}

void Insert(sqlite3* db, sqlite3_stmt* statement, const SqliteRow& row) {
  sqlite3_bind_blob(statement, 1, row.key.data(), static_cast<int>(row.key.size()), SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, row.feature.data(), static_cast<int>(row.feature.size()), SQLITE_STATIC);
  sqlite3_bind_blob(statement, 3, row.value.data(), static_cast<int>(row.value.size()), SQLITE_STATIC);
  row.has_text
      ? sqlite3_bind_text(statement, 4, row.text.data(), static_cast<int>(row.text.size()), SQLITE_STATIC)
      : sqlite3_bind_null(statement, 4);
  sqlite3_bind_int64(statement, 5, row.event);
  sqlite3_bind_value(statement, 6, row.created);
  Check(db, sqlite3_step(statement), "insert");
  sqlite3_reset(statement);
}

void LoadSqlite(const std::string& from, const std::string& to) {
  sqlite3* db;
  Check(db, sqlite3_open(from.c_str(), &db), "open");
  const std::vector<SqliteTable> tables = ReadDatabase(db);
  sqlite3_close(db);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(to + suffix);
  Check(db, sqlite3_open(to.c_str(), &db), "open");
  Execute(db, "PRAGMA journal_mode = WAL");
  Execute(db, "PRAGMA synchronous = FULL");
  for (const SqliteTable& table : tables) {
    for (const std::string& sql : table.schema) Execute(db, sql);
  }
  const auto began = Clock::now();
  size_t rows = 0, bytes = 0;
  Execute(db, "BEGIN IMMEDIATE");
  for (const SqliteTable& table : tables) {
    sqlite3_stmt* statement;
    const std::string sql = "INSERT INTO \"" + table.name +
                            "\" (entity_key, feature_name, value, value_text, event_ts, created_ts) VALUES "
                            "(?1, ?2, ?3, ?4, ?5, ?6)";
    Check(db, sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), sql.c_str());
    for (const SqliteRow& row : table.rows) {
      Insert(db, statement, row);
      ++rows;
      bytes += 64 + 2 * row.key.size() + row.feature.size() + row.value.size();
      if (bytes < kCommitBytes) continue;
      Execute(db, "COMMIT");
      Execute(db, "BEGIN IMMEDIATE");
      bytes = 0;
    }
    sqlite3_finalize(statement);
  }
  Execute(db, "COMMIT");
  PrintResult(began, rows);
  sqlite3_close(db);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) Fail("usage: salver_raw_load lmdb|sqlite FROM TO");
  const std::string kind = arguments[1];
  if (kind == "lmdb") {
    LoadLmdb(arguments[2], arguments[3]);
  } else if (kind == "sqlite") {
    LoadSqlite(arguments[2], arguments[3]);
  } else {
    Fail("\"" + kind + "\" is neither lmdb nor sqlite");
  }
}
