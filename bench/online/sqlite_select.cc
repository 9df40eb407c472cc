// What SQLite itself can do: runs the SELECTs that a server needs for the same requests over the same file,
// one prepared statement a table in Feast's layout, and throws the rows away.
//
//   salver_sqlite_select FILE TABLES KEYS SECONDS
//
//   TABLES    table names with commas between them
//   KEYS      a file with a request a line: entity keys as hexadecimal digits with blanks between them
//
// Every request is one read transaction, so that its tables are seen at one moment, as a server must. Prints
// one line of JSON: requests, seconds, rows, cpu_s.
#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "peer.h"

namespace {

using salver_bench::CpuSeconds;
using salver_bench::Fail;
using salver_bench::ReadHexLines;
using Clock = std::chrono::steady_clock;

void Check(sqlite3* db, int code, const std::string& what) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) Fail(what + ": " + sqlite3_errmsg(db));
}

sqlite3_stmt* Prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement;
  Check(db, sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr), sql);
  return statement;
}

void Step(sqlite3* db, sqlite3_stmt* statement) {
  Check(db, sqlite3_step(statement), sqlite3_sql(statement));
  sqlite3_reset(statement);
}

// Every column is fetched, as a server must to know what a row holds. Returns the rows.
uint64_t Select(sqlite3* db, sqlite3_stmt* statement, const std::string& key) {
  sqlite3_bind_blob(statement, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  uint64_t rows = 0;
  int step;
  while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
    ++rows;
    [[maybe_unused]] const void* volatile name = sqlite3_column_text(statement, 0);
    [[maybe_unused]] const void* volatile value = sqlite3_column_blob(statement, 1);
    [[maybe_unused]] const volatile int64_t event = sqlite3_column_int64(statement, 2);
    [[maybe_unused]] const volatile int64_t created = sqlite3_column_int64(statement, 3);
  }
  Check(db, step, sqlite3_sql(statement));
  sqlite3_reset(statement);
  return rows;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) Fail("usage: salver_sqlite_select FILE TABLES KEYS SECONDS");
  sqlite3* db;
  if (sqlite3_open_v2(arguments[1], &db, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK)
    Fail(std::string(arguments[1]) + ": " + sqlite3_errmsg(db));
  std::vector<sqlite3_stmt*> statements;
  std::istringstream tables(arguments[2]);
  for (std::string table; std::getline(tables, table, ',');) {
    statements.push_back(Prepare(
        db, "SELECT feature_name, value, event_ts, created_ts FROM \"" + table + "\" WHERE entity_key = ?"));
  }
  sqlite3_stmt* const begin = Prepare(db, "BEGIN");
  sqlite3_stmt* const commit = Prepare(db, "COMMIT");
  const auto requests = ReadHexLines(arguments[3]);
  const double wanted = std::atof(arguments[4]);
  const auto began = Clock::now();
  double seconds = 0;
  uint64_t done = 0, rows = 0;
  for (; seconds < wanted; seconds = std::chrono::duration<double>(Clock::now() - began).count()) {
    Step(db, begin);
    for (sqlite3_stmt* statement : statements) {
      for (const std::string& key : requests[done % requests.size()]) rows += Select(db, statement, key);
    }
    Step(db, commit);
    ++done;
  }
  std::printf("{\"requests\": %llu, \"seconds\": %.6f, \"rows\": %llu, \"cpu_s\": %.3f}\n",
              static_cast<unsigned long long>(done), seconds, static_cast<unsigned long long>(rows),
              CpuSeconds());
  for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
  sqlite3_finalize(begin);
  sqlite3_finalize(commit);
  sqlite3_close(db);
}
