#include "aws/library.hpp"

#include <aws/auth/auth.h>
#include <aws/common/error.h>
#include <aws/event-stream/event_stream.h>

#include <mutex>

namespace millrace::aws {

aws_allocator* library() {
  static std::once_flag started;
  std::call_once(started, [] {
    aws_auth_library_init(aws_default_allocator());
    aws_event_stream_library_init(aws_default_allocator());
  });
  return aws_default_allocator();
}

std::string library_error(int code) {
  return std::string(aws_error_name(code)) + ": " + aws_error_str(code);
}

std::string last_library_error() {
  return library_error(aws_last_error());
}

}  // namespace millrace::aws
