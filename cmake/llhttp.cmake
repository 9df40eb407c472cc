# llhttp, the HTTP parser of Node.js: three C files that scripts/fetch-llhttp unpacks into .deps (pinned in
# packages/sdists.txt).
set(llhttp_dir ${CMAKE_SOURCE_DIR}/.deps/llhttp)
if(NOT EXISTS ${llhttp_dir}/include/llhttp.h)
  message(FATAL_ERROR "llhttp is missing. Run scripts/bootstrap (or scripts/fetch-llhttp).")
endif()
add_library(llhttp STATIC ${llhttp_dir}/src/api.c ${llhttp_dir}/src/http.c ${llhttp_dir}/src/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${llhttp_dir}/include)
target_compile_options(llhttp PRIVATE -w -O2)
