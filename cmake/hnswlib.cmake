# hnswlib from .deps (scripts/fetch-sources): headers only, an index of vectors as a graph.
set(hnswlib_dir ${CMAKE_SOURCE_DIR}/.deps/hnswlib)
if(NOT EXISTS ${hnswlib_dir}/hnswlib/hnswlib.h)
  message(FATAL_ERROR "hnswlib is missing. Run scripts/bootstrap (or scripts/fetch-sources).")
endif()
add_library(hnswlib INTERFACE)
target_include_directories(hnswlib SYSTEM INTERFACE ${hnswlib_dir})
if(SALVER_SANITIZE)
  # It prefetches what a number behind the end of a list of links would name: four bytes too far, which are thrown away.
  target_compile_definitions(hnswlib INTERFACE NO_MANUAL_VECTORIZATION)
endif()
