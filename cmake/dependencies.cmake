# Everything outside the tree that Salver is built from. scripts/bootstrap installs it; versions are pinned in
# the lists of packages/.

find_package(Threads REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
include(${CMAKE_SOURCE_DIR}/cmake/simdjson.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/duckdb.cmake)
find_package(PkgConfig REQUIRED)

# Arrow: an installed one if there is one, else the libraries and headers inside the pyarrow wheel. The wheel has
# neither a CMake package nor unversioned library names, so each library is imported by its file.
find_package(Arrow QUIET)
if(NOT Arrow_FOUND)
  find_program(SALVER_PYTHON_EXECUTABLE NAMES python3 HINTS ${CMAKE_SOURCE_DIR}/.venv/bin NO_DEFAULT_PATH)
  find_program(SALVER_PYTHON_EXECUTABLE NAMES python3)
  execute_process(
    COMMAND ${SALVER_PYTHON_EXECUTABLE} -c
            "import pyarrow as p; print(p.get_include(), p.get_library_dirs()[0], p.cpp_build_info.so_version if hasattr(p.cpp_build_info, 'so_version') else p.cpp_build_info.version, sep=';', end='')"
    OUTPUT_VARIABLE arrow_facts RESULT_VARIABLE arrow_result ERROR_VARIABLE arrow_error)
  if(NOT arrow_result EQUAL 0)
    message(FATAL_ERROR "No Arrow: neither an Arrow CMake package nor the pyarrow wheel for "
                        "${SALVER_PYTHON_EXECUTABLE}. Run scripts/bootstrap.\n${arrow_error}")
  endif()
  list(GET arrow_facts 0 ARROW_INCLUDE_DIR)
  list(GET arrow_facts 1 ARROW_LIBRARY_DIR)
  file(GLOB arrow_library ${ARROW_LIBRARY_DIR}/libarrow.so.*)   # one versioned file in the wheel
  list(GET arrow_library 0 arrow_library)
  string(REGEX REPLACE ".*\\.so\\.([0-9]+).*" "\\1" ARROW_SO_VERSION ${arrow_library})
  function(salver_import_arrow name)
    add_library(Arrow::${name} SHARED IMPORTED GLOBAL)
    set_target_properties(Arrow::${name} PROPERTIES
      IMPORTED_LOCATION ${ARROW_LIBRARY_DIR}/lib${name}.so.${ARROW_SO_VERSION}
      INTERFACE_INCLUDE_DIRECTORIES ${ARROW_INCLUDE_DIR}
      INTERFACE_LINK_LIBRARIES "${ARGN}")
  endfunction()
  salver_import_arrow(arrow)
  salver_import_arrow(arrow_compute Arrow::arrow)
  salver_import_arrow(parquet Arrow::arrow)
endif()

function(salver_pkg target package)
  pkg_check_modules(${target} REQUIRED IMPORTED_TARGET GLOBAL ${package})
endfunction()
salver_pkg(lmdb lmdb)
salver_pkg(sqlite3 sqlite3)
salver_pkg(yaml_cpp yaml-cpp)
salver_pkg(xxhash libxxhash)
salver_pkg(spdlog spdlog)
salver_pkg(hiredis hiredis)
salver_pkg(prometheus prometheus-cpp-core)
# Its _FILE_OFFSET_BITS says nothing on 64 bits, and precompiled headers of others would not fit.
set_target_properties(PkgConfig::hiredis PROPERTIES INTERFACE_COMPILE_OPTIONS "")
salver_pkg(libpq libpq)
# Its headers alone: the library is opened when it is first asked (src/postgres/libpq.h).
add_library(salver_libpq_headers INTERFACE)
add_library(salver::libpq_headers ALIAS salver_libpq_headers)
target_include_directories(salver_libpq_headers SYSTEM INTERFACE $<TARGET_PROPERTY:PkgConfig::libpq,INTERFACE_INCLUDE_DIRECTORIES>)
target_link_libraries(salver_libpq_headers INTERFACE ${CMAKE_DL_LIBS})
# OpenSSL's likewise (src/base/openssl.h). They are in the compiler's own path.
add_library(salver_openssl_headers INTERFACE)
add_library(salver::openssl_headers ALIAS salver_openssl_headers)
target_link_libraries(salver_openssl_headers INTERFACE ${CMAKE_DL_LIBS})

if(SALVER_TESTS)
  find_package(GTest REQUIRED)
endif()

# Linking the large libraries is most of an incremental build.
find_program(SALVER_MOLD mold)
if(SALVER_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()
find_program(SALVER_CCACHE ccache)
if(SALVER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                  CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SALVER_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${SALVER_CCACHE})
endif()
