#pragma once

#include "http/http2_connection.hpp"

namespace millrace::http {

/// Joins a connection and nghttp2: makes its session and takes its calls.
class Http2Frames {
 public:
  /// Opens the session with our settings; null if there is no memory.
  static nghttp2_session* open(Http2Connection& connection);
  /// Has the answer's body read from the stream as the client's windows allow.
  static bool submit_response(nghttp2_session* session, Http2Stream& stream,
                              const std::vector<Header>& fields, bool has_body);

  static constexpr std::int32_t kStreamWindowBytes = 256 * 1024;

 private:
  struct Calls;
};

}  // namespace millrace::http
