# salver_library(room SOURCES ... TESTS ... DEPENDS ... [LINKS ...] [PRECOMPILED set])
#   One room of src/: library salver_<room>, alias salver::<room>, and its tests as salver_<room>_test.
#   DEPENDS names rooms (salver::base); the layer check in tools/ holds the includes to the same list.
#   LINKS names outside libraries.
# salver_backend(room name SOURCES ... TESTS ... [LINKS ...])
#   A backend in a folder of its room, with the switch SALVER_WITH_<NAME>.

add_library(salver_options INTERFACE)
target_include_directories(salver_options INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_options(salver_options INTERFACE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers
                                                $<$<BOOL:${SALVER_WERROR}>:-Werror>)
# GCC 12 warns about std::string's own code once it is optimised (its bugs 105651 and 105329): the bounds it computes
# for the small string buffer are wrong.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(salver_options INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
                                                  -Wno-stringop-overread)
endif()
if(SALVER_SANITIZE)
  target_compile_options(salver_options INTERFACE -fsanitize=${SALVER_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(salver_options INTERFACE -fsanitize=${SALVER_SANITIZE})
  if(SALVER_SANITIZE STREQUAL "thread")
    # protobuf's headers give map fields two more members when they see this macro; the installed library was built
    # without them, and a message of another layout is read as garbage.
    target_compile_options(salver_options INTERFACE -U__SANITIZE_THREAD__)
    # Asio orders its handlers by its own locks; the fences it adds are what the thread sanitizer can not follow.
    target_compile_definitions(salver_options INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

# The headers that most files need, compiled once per build: a set is a hundred megabytes, too much for each room to have
# its own. Names the set of a target with salver_precompiled(target set).
#   std: the standard library's; arrow: and Arrow's arrays and tables; test: arrow and GoogleTest's; cli: std and the parser's
set(precompiled_std <cstdint> <map> <memory> <span> <string> <string_view> <vector>)
set(precompiled_arrow ${precompiled_std} <arrow/array.h> <arrow/builder.h> <arrow/record_batch.h> <arrow/table.h>
                      <arrow/type.h>)
set(precompiled_test ${precompiled_arrow} <gtest/gtest.h>)
set(precompiled_cli ${precompiled_std} <CLI/CLI.hpp>)
function(salver_precompiled target set)
  set(owner salver_precompiled_${set})
  if(NOT TARGET ${owner})
    file(WRITE ${CMAKE_BINARY_DIR}/precompiled/${set}.cc "")
    add_library(${owner} OBJECT ${CMAKE_BINARY_DIR}/precompiled/${set}.cc)
    target_link_libraries(${owner} PRIVATE salver_options Arrow::arrow)
    target_precompile_headers(${owner} PRIVATE ${precompiled_${set}})
    get_target_property(type ${target} TYPE)
    if(set STREQUAL "test")
      target_link_libraries(${owner} PRIVATE GTest::gtest)
    endif()
    if(type STREQUAL "EXECUTABLE")  # compiled as its users are, or the compiler does not take it
      set_target_properties(${owner} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${owner} PRIVATE -fPIE)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

if(SALVER_TESTS)
  add_library(salver_source_dir STATIC ${CMAKE_SOURCE_DIR}/test/source_dir.cc)
  target_include_directories(salver_source_dir PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(salver_source_dir PRIVATE SALVER_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_library(salver_test_service STATIC ${CMAKE_SOURCE_DIR}/test/service.cc)  # servers that tests start
  target_include_directories(salver_test_service PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(salver_test_service PRIVATE salver_options salver_source_dir simdjson::simdjson)
endif()

function(salver_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "" "SOURCES;DEPENDS;LABELS")
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE salver_options ${T_DEPENDS} salver_source_dir GTest::gtest_main)
  salver_precompiled(${name} test)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(T_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}")
  endif()
endfunction()

function(salver_library room)
  cmake_parse_arguments(PARSE_ARGV 1 L "" "PRECOMPILED" "SOURCES;TESTS;DEPENDS;LINKS")
  add_library(salver_${room} STATIC ${L_SOURCES})
  add_library(salver::${room} ALIAS salver_${room})
  target_link_libraries(salver_${room} PUBLIC ${L_DEPENDS} ${L_LINKS} PRIVATE salver_options)
  target_include_directories(salver_${room} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  if(NOT L_PRECOMPILED)
    set(L_PRECOMPILED std)
  endif()
  salver_precompiled(salver_${room} ${L_PRECOMPILED})
  if(SALVER_TESTS AND L_TESTS)
    salver_add_test(salver_${room}_test SOURCES ${L_TESTS} DEPENDS salver::${room})
  endif()
endfunction()

function(salver_backend room name)
  cmake_parse_arguments(PARSE_ARGV 2 B "" "" "SOURCES;TESTS;LINKS")
  string(TOUPPER ${name} upper)
  option(SALVER_WITH_${upper} "Build the ${name} backend of ${room}" ON)
  if(SALVER_WITH_${upper})
    target_sources(salver_${room} PRIVATE ${B_SOURCES})
    target_link_libraries(salver_${room} PUBLIC ${B_LINKS})
    target_compile_definitions(salver_${room} PUBLIC SALVER_WITH_${upper})
    if(SALVER_TESTS AND B_TESTS)
      target_sources(salver_${room}_test PRIVATE ${B_TESTS})
    endif()
  endif()
endfunction()
