#pragma once

#include <aws/common/byte_buf.h>
#include <aws/common/common.h>

#include <memory>
#include <string>
#include <string_view>

// Between AWS's C libraries and the room's own code. Only the room's .cpp files include it.
namespace millrace::aws {

/// The allocator of all calls; the first use starts the libraries, once per process.
aws_allocator* library();

/// `AWS_IO_DNS_QUERY_FAILED: a query to DNS failed`, of the last or the given error.
std::string library_error(int code);
std::string last_library_error();

inline aws_byte_cursor cursor(std::string_view text) {
  return {.len = text.size(),
          .ptr = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()))};
}
inline std::string_view view(aws_byte_cursor bytes) {
  return {reinterpret_cast<const char*>(bytes.ptr), bytes.len};
}

/// Owns an object of the libraries; `Free` gives it back.
template <class T, auto Free>
struct Freeing {
  void operator()(T* object) const { Free(object); }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Freeing<T, Free>>;

}  // namespace millrace::aws
