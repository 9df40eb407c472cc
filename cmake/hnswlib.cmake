# hnswlib from .deps (scripts/fetch-sources): headers only, an index of vectors as a graph.
set(hnswlib_dir ${CMAKE_SOURCE_DIR}/.deps/hnswlib)
if(NOT EXISTS ${hnswlib_dir}/hnswlib/hnswlib.h)
  message(FATAL_ERROR "hnswlib is missing. Run scripts/bootstrap (or scripts/fetch-sources).")
endif()
add_library(hnswlib INTERFACE)
target_include_directories(hnswlib SYSTEM INTERFACE ${hnswlib_dir})
