# The target aws::crt: AWS's own C libraries, static, at one pinned version.
#
# -DAWS_CRT_ROOT=DIR takes what tools/build_aws_crt.py built; without it that script is asked, which builds
# them once per machine into the user's cache folder.

set(AWS_CRT_ROOT "" CACHE PATH "AWS's built C libraries; empty: build them, or find them in the user's cache")
if(AWS_CRT_ROOT)
  set(_aws_crt ${AWS_CRT_ROOT})
else()
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/build_aws_crt.py
    OUTPUT_VARIABLE _aws_crt OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
endif()

find_package(OpenSSL REQUIRED)
find_package(Threads REQUIRED)
file(GLOB _aws_crt_archives ${_aws_crt}/lib/lib*.a)
add_library(aws::crt INTERFACE IMPORTED)
target_include_directories(aws::crt SYSTEM INTERFACE ${_aws_crt}/include)
target_link_libraries(aws::crt INTERFACE
  -Wl,--start-group ${_aws_crt_archives} -Wl,--end-group OpenSSL::Crypto Threads::Threads ${CMAKE_DL_LIBS} m)
