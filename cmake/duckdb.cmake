# DuckDB: its header, and its library for dlopen when SQL is first asked (src/sql/duckdb_api.h); nothing links to it.
# scripts/fetch-sources unpacks both into .deps (packages/sdists.txt, packages/npm.txt). A program of the build tree finds
# the library there; the Python package carries it beside its module.
set(duckdb_dir ${CMAKE_SOURCE_DIR}/.deps/duckdb)
if(NOT EXISTS ${duckdb_dir}/duckdb.h)
  message(FATAL_ERROR "DuckDB is missing. Run scripts/bootstrap (or scripts/fetch-sources).")
endif()
add_library(DuckDB::duckdb INTERFACE IMPORTED GLOBAL)
target_include_directories(DuckDB::duckdb INTERFACE ${duckdb_dir})
target_link_libraries(DuckDB::duckdb INTERFACE ${CMAKE_DL_LIBS})
if(NOT SALVER_PYTHON)
  target_link_options(DuckDB::duckdb INTERFACE LINKER:-rpath,${duckdb_dir})
endif()
