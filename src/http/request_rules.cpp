#include "http/request_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "http/compression.hpp"
#include "http/url.hpp"

namespace millrace::http {
namespace {

using base::equal_ignoring_case;
using base::printable;

Response bad_request(std::string_view code, std::string_view message) {
  return problem(400, code, message);
}

// `http://host:80/path` to `/path`; the host then counts instead of the Host field.
std::optional<std::string> take_authority(Request& request) {
  static constexpr std::string_view kScheme = "http://";
  if (!equal_ignoring_case(std::string_view(request.target).substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  const auto end =
      std::min(request.target.find_first_of("/?", kScheme.size()), request.target.size());
  auto authority = request.target.substr(kScheme.size(), end - kScheme.size());
  request.target.erase(0, end);
  if (!request.target.starts_with('/')) request.target.insert(0, "/");
  return authority;
}

std::optional<Response> read_target(Request& request, const RequestLimits& limits) {
  if (request.target.size() > limits.target_bytes_max) {
    return problem(414, "target_too_long",
                   fmt::format("a target may have {} bytes", limits.target_bytes_max));
  }
  if (request.method == "CONNECT") {
    return problem(501, "not_a_proxy", "this server is no proxy: CONNECT is not taken");
  }
  const bool is_asterisk = request.target == "*" && request.method == "OPTIONS";
  if (!request.target.starts_with('/') && !is_asterisk) {
    return bad_request("bad_target", fmt::format("the target '{}' does not begin with a slash",
                                                 printable(request.target)));
  }
  const std::string_view target = request.target;
  const auto question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  if (question == target.size()) return std::nullopt;
  auto query = parse_query(target.substr(question + 1));
  if (!query) return bad_request("bad_query", "the query: " + query.error().text());
  request.query = std::move(query).value();
  return std::nullopt;
}

std::optional<Response> check_length(std::string_view text, const RequestLimits& limits) {
  std::uint64_t length = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, length);
  const bool is_too_large = error == std::errc::result_out_of_range;
  if (text.empty() || rest != end || (error != std::errc() && !is_too_large)) {
    return bad_request("bad_length",
                       fmt::format("Content-Length '{}' is no number", printable(text)));
  }
  if (!is_too_large && length <= limits.body_bytes_max) return std::nullopt;
  return problem(
      413, "body_too_large",
      fmt::format("the body has {} bytes; {} are taken: send it in parts",
                  is_too_large ? "too many" : std::to_string(length), limits.body_bytes_max));
}

// Where the body ends must be said once and clearly, or two readers would cut it differently
// (request smuggling).
std::optional<Response> check_framing(const Headers& headers, Version version,
                                      const RequestLimits& limits) {
  const auto lengths = headers.count("Content-Length");
  const auto codings = headers.count("Transfer-Encoding");
  if (lengths + codings > 1) {
    return bad_request("ambiguous_length",
                       "the body's end is given twice: send one Content-Length, or "
                       "Transfer-Encoding: chunked alone");
  }
  if (lengths == 1) return check_length(headers.value("Content-Length"), limits);
  if (codings == 0) return std::nullopt;
  if (version == Version::Http10) {
    return bad_request("bad_transfer_encoding", "HTTP/1.0 has no Transfer-Encoding");
  }
  if (!equal_ignoring_case(headers.value("Transfer-Encoding"), "chunked")) {
    return problem(501, "bad_transfer_encoding",
                   fmt::format("Transfer-Encoding '{}' is not taken, only chunked",
                               printable(headers.value("Transfer-Encoding"))));
  }
  return std::nullopt;
}

// `example.com:80` to `example.com`, `[::1]:80` and `::1` to `::1`.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    return authority.substr(1, std::min(authority.find(']'), authority.size()) - 1);
  }
  const auto colon = authority.find(':');
  auto host = colon == authority.rfind(':') ? authority.substr(0, colon) : authority;
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

std::optional<Response> check_host(const Request& request, Version version,
                                   const std::optional<std::string>& authority,
                                   const std::vector<std::string>& hosts_allowed) {
  const auto count = request.headers.count("Host");
  if (count > 1 || (count == 0 && version != Version::Http10)) {
    return bad_request("bad_host", "a request has one Host header field");
  }
  if (hosts_allowed.empty()) return std::nullopt;
  const auto host = host_of(authority ? *authority : request.headers.value("Host"));
  const bool is_allowed = std::ranges::any_of(hosts_allowed, [&](std::string_view allowed) {
    return equal_ignoring_case(host, host_of(allowed));
  });
  if (is_allowed) return std::nullopt;
  return problem(421, "host_not_allowed",
                 fmt::format("this server does not answer to the name '{}': call it {}, or allow "
                             "that name where it is started",
                             printable(host), base::join(hosts_allowed, ", ")));
}

std::optional<Response> check_body(const Headers& headers) {
  const auto expectation = headers.value("Expect");
  if (headers.has("Expect") && !equal_ignoring_case(expectation, "100-continue")) {
    return problem(417, "bad_expectation",
                   fmt::format("Expect '{}' is not known", printable(expectation)));
  }
  const auto encoding = headers.value("Content-Encoding");
  if (headers.count("Content-Encoding") > 1 || !encoding_of(encoding)) {
    auto refusal =
        problem(415, "bad_encoding",
                fmt::format("Content-Encoding '{}' is not taken: send gzip, zstd or none",
                            printable(encoding)));
    refusal.headers.add("Accept-Encoding", "gzip, zstd");
    return refusal;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Response> check_head(Request& request, Version version,
                                   const ServerOptions& options) {
  const auto authority = take_authority(request);
  if (auto refusal = read_target(request, options.limits)) return refusal;
  if (auto refusal = check_host(request, version, authority, options.hosts_allowed)) {
    return refusal;
  }
  if (auto refusal = check_framing(request.headers, version, options.limits)) return refusal;
  return check_body(request.headers);
}

}  // namespace millrace::http
