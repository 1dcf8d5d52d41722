# millrace_room(NAME SOURCES a.cpp ... [TESTS a_test.cpp ...] [USES room ...] [LIBRARIES target ...])
#
# One static library per room. USES is what the room may include (docs/architecture.md); LIBRARIES
# are foreign ones, private to the room. TESTS become one test program, `NAME_test`.

set(MILLRACE_SANITIZE "" CACHE STRING "sanitizers for -fsanitize, for example address,undefined")

add_library(millrace_flags INTERFACE)
target_compile_options(millrace_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  -Wno-missing-field-initializers)  # options are named at the call; the rest keep their defaults
target_include_directories(millrace_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(millrace_flags INTERFACE fmt::fmt)
if(MILLRACE_SANITIZE)
  target_compile_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
  if(MILLRACE_SANITIZE STREQUAL "thread")
    # Asio has fences, of which GCC says that TSan does not see them.
    target_compile_options(millrace_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(millrace_flags INTERFACE -fuse-ld=mold)
endif()

function(millrace_room NAME)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;USES;LIBRARIES" ${ARGN})
  add_library(millrace_${NAME} STATIC ${ROOM_SOURCES})
  target_link_libraries(millrace_${NAME} PUBLIC millrace_flags PRIVATE ${ROOM_LIBRARIES})
  foreach(other ${ROOM_USES})
    target_link_libraries(millrace_${NAME} PUBLIC millrace_${other})
  endforeach()
  if(ROOM_TESTS AND BUILD_TESTING)
    add_executable(${NAME}_test ${ROOM_TESTS})
    target_link_libraries(${NAME}_test PRIVATE millrace_${NAME} ${ROOM_LIBRARIES} GTest::gmock_main)
    # Tests open databases and ports: give a slow machine time, but never hang.
    add_test(NAME ${NAME} COMMAND ${NAME}_test)
    set_tests_properties(${NAME} PROPERTIES TIMEOUT 600)
  endif()
endfunction()
