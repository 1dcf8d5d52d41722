#pragma once

#include <optional>

#include "http/message.hpp"
#include "http/server.hpp"

namespace millrace::http {

enum class Version : std::uint8_t { Http10, Http11, Http2 };

/// Checks what the head of a request says and fills in path and query. Returns the answer to a
/// request that is not taken.
/// Source  RFC 9112 sections 3.2, 6.1, 6.3, 11.2; RFC 9110 sections 7.2, 8.4, 10.1.1.
std::optional<Response> check_head(Request& request, Version version, const ServerOptions& options);

}  // namespace millrace::http
