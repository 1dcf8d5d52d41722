#include "aws/library.hpp"

#include <aws/auth/auth.h>
#include <aws/common/error.h>
#include <aws/event-stream/event_stream.h>
#include <aws/io/tls_channel_handler.h>

#include <mutex>

// The libraries are built without their TLS (tools/build_aws_crt.py): we open no connection by
// them, and nothing calls this, which who brings another TLS has to supply.
extern "C" aws_byte_buf aws_tls_handler_protocol(aws_channel_handler* /*handler*/) {
  return {};
}

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
