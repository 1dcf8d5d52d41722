#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "http/message.hpp"

namespace millrace::aws {

/// HTTP/2's name of what HTTP/1.1 has in `Host`.
inline constexpr std::string_view kAuthority = ":authority";

struct CanonicalOptions {
  bool is_s3 = false;                       ///< the path is encoded once and not normalised
  std::vector<std::string> signed_headers;  ///< lower case, in their order
  std::string body_hash;
};

/// The text that a signature covers: method, path, sorted query, signed headers, the body's hash.
/// `X-Amz-Signature` is left out of the query. A signed header that is missing counts as empty;
/// `:authority`, which some clients of HTTP/2 sign, has the value of `Host`.
/// Errors  Invalid: the target is not well encoded.
/// Source  AWS General Reference, "Create a canonical request".
base::Result<std::string> canonical_request(const http::Request& request,
                                            const CanonicalOptions& options);

/// The target up to `?`, and what is behind it.
std::pair<std::string_view, std::string_view> split_target(std::string_view target);

/// Decoded pairs of a query in which, as AWS reads it, a plus sign is no space.
base::Result<http::Parameters> aws_query(std::string_view query);

}  // namespace millrace::aws
