# The target duckdb::duckdb: DuckDB's official static libraries at one pinned version.
#
# -DDUCKDB_ROOT=DIR takes an unpacked `static-libs-linux-amd64.zip` of that release. Without it,
# tools/fetch_duckdb.py brings the files, each checked against tools/duckdb.sha256.json, into a folder
# that build trees share.

set(DUCKDB_ROOT "" CACHE PATH "unpacked DuckDB static libraries; empty: fetch them")
if(DUCKDB_ROOT)
  set(_duckdb ${DUCKDB_ROOT})
else()
  set(_duckdb ${CMAKE_SOURCE_DIR}/build/duckdb)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/fetch_duckdb.py ${_duckdb}
    COMMAND_ERROR_IS_FATAL ANY)
endif()

find_package(Threads REQUIRED)
file(GLOB _duckdb_archives ${_duckdb}/lib*.a)
add_library(duckdb::duckdb INTERFACE IMPORTED)
target_include_directories(duckdb::duckdb SYSTEM INTERFACE ${_duckdb})
target_compile_definitions(duckdb::duckdb INTERFACE DUCKDB_STATIC_BUILD)
# The archives need each other: the extensions call the engine, whose loader names the extensions.
target_link_libraries(duckdb::duckdb INTERFACE
  -Wl,--start-group ${_duckdb_archives} -Wl,--end-group Threads::Threads ${CMAKE_DL_LIBS} m)

# DuckDB's signed extension that reads S3 becomes part of the program. -DDUCKDB_HTTPFS=FILE names it; without it,
# tools/fetch_httpfs.py brings it. A build without it can do everything but keep its tables on S3.
set(DUCKDB_HTTPFS "" CACHE FILEPATH "DuckDB's httpfs.duckdb_extension; empty: fetch it")
if(NOT DUCKDB_HTTPFS)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/fetch_httpfs.py ${CMAKE_SOURCE_DIR}/build/httpfs
    RESULT_VARIABLE _httpfs_failed)
  if(_httpfs_failed)
    message(WARNING "without DuckDB's httpfs extension: tables cannot lie on S3")
  else()
    set(DUCKDB_HTTPFS ${CMAKE_SOURCE_DIR}/build/httpfs/httpfs.duckdb_extension)
  endif()
endif()
