// The functions of DuckDB's C API that Salver calls, looked up in libduckdb.so when the first of them is
// needed: the library is 68 MB, and a program that asks no SQL shall not wait for it to be mapped and linked.
//
// Thread safety: LoadDuckDb from any thread; what it returns is never changed and lives as long as the
// process.
#pragma once

#include <duckdb.h>

#include <string>

#include "salver/status.h"

namespace salver {

struct DuckDbApi {
#define SALVER_DUCKDB_FUNCTION(name) decltype(&duckdb_##name) name = nullptr;
#include "sql/duckdb_functions.inc"
#undef SALVER_DUCKDB_FUNCTION
  std::string folder;  // of libduckdb.so; extensions are beside it
};

// Errors: Unavailable when libduckdb.so is neither where the program was linked to look for it nor on the
// system's path, or is of another version than its header.
Result<const DuckDbApi*> LoadDuckDb();

}  // namespace salver
