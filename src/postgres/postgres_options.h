// Where a PostgreSQL server is and how to speak to it: Feast's keys of `{type: postgres}`,
// with Feast's defaults, and a few of Salver's own.
#pragma once

#include <cstdint>
#include <string>

#include "base/secret.h"

namespace salver {

// When wanted keys are sent to the server instead of reading the rows of all keys. A row costs the server
// about a microsecond to send; the keys cost a few milliseconds, and about a microsecond each.
struct PostgresKeyRule {
  int64_t max_keys = 200'000;
  int64_t min_rows = 20'000;  // of the source in the time range, as the server's planner estimates them
  int64_t rows_per_key = 4;   // at least that many of these rows for each key
};

struct PostgresOptions {
  std::string section = "offline_store";  // of feature_store.yaml, for messages
  std::string host;
  int port = 5432;
  std::string database;
  std::string db_schema = "public";  // searched first, "public" after it
  std::string user;
  Secret password;
  std::string sslmode = "require";  // disable, allow, prefer, require, verify-ca, verify-full
  std::string sslkey_path, sslcert_path, sslrootcert_path;
  int keepalives_idle_s = 0;  // 0: the system's

  // Salver's own.
  int64_t connect_timeout_s = 10;
  int64_t statement_timeout_s = 0;  // of one statement, kept by the server; 0: none
  PostgresKeyRule keys;
};

}  // namespace salver
