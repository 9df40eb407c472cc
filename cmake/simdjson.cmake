# simdjson from .deps (scripts/fetch-sources), as a static library whose namespace is salver_simdjson: Arrow's shared
# library exports a simdjson of another version, and the dynamic linker would mix the two.
set(simdjson_dir ${CMAKE_SOURCE_DIR}/.deps/simdjson)
if(NOT EXISTS ${simdjson_dir}/simdjson.h)
  message(FATAL_ERROR "simdjson is missing. Run scripts/bootstrap (or scripts/fetch-sources).")
endif()
add_library(salver_simdjson STATIC ${simdjson_dir}/simdjson.cpp)
add_library(simdjson::simdjson ALIAS salver_simdjson)
target_include_directories(salver_simdjson SYSTEM PUBLIC ${simdjson_dir})
target_compile_definitions(salver_simdjson PUBLIC simdjson=salver_simdjson)
target_compile_options(salver_simdjson PRIVATE -w -O2)
