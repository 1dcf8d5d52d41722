#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "http/message.hpp"

namespace millrace::http {

/// `%41` to `A`; a plus sign stays.
/// Errors  Invalid: a percent sign without two hex digits, or a NUL byte.
base::Result<std::string> percent_decode(std::string_view text);
/// All but unreserved characters (RFC 3986: letters, digits, `-._~`) as `%XX`.
std::string percent_encode(std::string_view text);

/// Reads `a=1&b=two+words` into decoded pairs; a plus sign is a space.
base::Result<Parameters> parse_query(std::string_view text);
std::string format_query(const Parameters& parameters);

/// The decoded segments of a path: `/v1/a%2Fb` is `v1`, `a/b`; `/` is one empty segment.
base::Result<std::vector<std::string>> parse_path(std::string_view path);

/// `host:port`, `[::1]:8080`; brackets are taken off.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};
/// Errors  Invalid: no host, no port, or the port is no number up to 65535.
base::Result<Endpoint> parse_endpoint(std::string_view text);
/// `127.0.0.1:80`, `[::1]:80`.
std::string format_endpoint(std::string_view host, std::uint16_t port);

struct Url {
  Endpoint endpoint;
  std::string target = "/";  ///< path and query
};
/// Reads `http://host[:port][/path][?query]`; the port is 80 unless named.
/// Errors  Invalid: another scheme, a user name, or no host.
base::Result<Url> parse_url(std::string_view text);

}  // namespace millrace::http
