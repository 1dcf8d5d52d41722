#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "http/message.hpp"
#include "http/request_rules.hpp"

namespace millrace::http {

/// What the server, not the handler, says about an answer.
struct Framing {
  Version version = Version::Http11;  ///< of the request
  bool is_keep_alive = true;
  std::optional<std::uint64_t> length =
      {};  ///< empty: the answer is chunked, or ends with the connection
  std::string_view date = {};
};

/// Appends status line, header fields and the empty line. Length, coding, Connection and Date are
/// the server's; control bytes in values become spaces, so that no value can add a line.
void append_head(std::string& into, int status, const Headers& headers, const Framing& framing);

/// The same as fields of HTTP/2, without those that are about the connection.
/// Source  RFC 9113, section 8.2
std::vector<Header> http2_fields(int status, const Headers& headers, const Framing& framing);

/// True if an answer of that status never has a body: 1xx, 204, 304.
bool is_bodiless(int status);

/// `Tue, 24 Nov 2026 08:30:00 GMT`.
std::string format_http_date(base::Time time);

}  // namespace millrace::http
