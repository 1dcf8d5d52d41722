#include "http/url.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus : bool { Stays, IsSpace };

Result<std::string> decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Error{Code::Invalid, fmt::format("'{}' is not followed by two hex digits",
                                                base::printable(text.substr(i, 3)))};
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::IsSpace) {
      c = ' ';
    }
    if (c == '\0') return Error{Code::Invalid, "a NUL byte"};
    decoded += c;
  }
  return decoded;
}

bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (text.empty() || error != std::errc() || rest != end) {
    return Error{Code::Invalid,
                 fmt::format("'{}' is no port: a number up to 65535", base::printable(text))};
  }
  return port;
}

// `host`, `host:port`, `[address]:port`: the port is empty if there is none.
struct HostAndPort {
  std::string_view host;
  std::string_view port;
  bool has_port = false;
};

Result<HostAndPort> split_host(std::string_view text) {
  const Error no_host{
      Code::Invalid,
      fmt::format("'{}' names no host, as in 127.0.0.1:8080 or [::1]:8080", base::printable(text))};
  HostAndPort parts;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return no_host;
    parts.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return no_host;
  } else {
    const auto colon = text.find(':');
    parts.host = text.substr(0, colon);
    if (colon != std::string_view::npos) rest = text.substr(colon);
    if (rest.find(':', 1) != std::string_view::npos) {
      return Error{Code::Invalid, fmt::format("'{}' has more than one colon: an IPv6 address "
                                              "stands in brackets, as in [::1]:8080",
                                              base::printable(text))};
    }
  }
  if (parts.host.empty()) return no_host;
  parts.has_port = !rest.empty();
  if (parts.has_port) parts.port = rest.substr(1);
  return parts;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  return decode(text, Plus::Stays);
}

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

Result<Parameters> parse_query(std::string_view text) {
  Parameters parameters;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = TRY(decode(pair.substr(0, equals), Plus::IsSpace));
    auto value = TRY(decode(pair.substr(std::min(equals + 1, pair.size())), Plus::IsSpace));
    parameters.emplace_back(std::move(name), std::move(value));
  }
  return parameters;
}

std::string format_query(const Parameters& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters) {
    if (!query.empty()) query += '&';
    query += percent_encode(name) + '=' + percent_encode(value);
  }
  return query;
}

Result<std::vector<std::string>> parse_path(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::vector<std::string> segments;
  for (;;) {
    const auto end = path.find('/');
    segments.push_back(TRY(percent_decode(path.substr(0, end))));
    if (end == std::string_view::npos) return segments;
    path.remove_prefix(end + 1);
  }
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto parts = TRY(split_host(text));
  if (!parts.has_port) {
    return Error{Code::Invalid,
                 fmt::format("'{}' has no port, as in 127.0.0.1:8080", base::printable(text))};
  }
  const auto port = TRY(parse_port(parts.port));
  return Endpoint{.host = std::string(parts.host), .port = port};
}

std::string format_endpoint(std::string_view host, std::uint16_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

Result<Url> parse_url(std::string_view text) {
  static constexpr std::string_view kScheme = "http://";
  if (!base::equal_ignoring_case(text.substr(0, kScheme.size()), kScheme)) {
    return Error{Code::Invalid,
                 fmt::format("'{}' does not begin with http://", base::printable(text))};
  }
  auto rest = text.substr(kScheme.size());
  rest = rest.substr(0, rest.find('#'));
  const auto authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.find('@') != std::string_view::npos) {
    return Error{Code::Invalid, "a URL with a user name or password is not taken"};
  }
  const auto parts = TRY(split_host(authority));
  Url url{.endpoint = {.host = std::string(parts.host), .port = 80}};
  if (!parts.port.empty()) url.endpoint.port = TRY(parse_port(parts.port));
  const auto target = rest.substr(authority.size());
  url.target = target.starts_with('/') ? std::string(target) : '/' + std::string(target);
  return url;
}

}  // namespace millrace::http
