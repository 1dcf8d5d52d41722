#include "http/http2_head.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"
#include "http/request_rules.hpp"

namespace millrace::http {
namespace {

constexpr std::size_t kMethodBytesMax = 64;
constexpr std::size_t kAuthorityBytesMax = 1024;
// What a field takes in HTTP/1.1 beside name and value, so that the limits mean the same.
constexpr std::size_t kFieldExtraBytes = std::string_view(": \r\n").size();

}  // namespace

void Http2Head::add(std::string_view name, std::string_view value) {
  if (refusal_) return;
  if (name.starts_with(':')) return add_pseudo(name, value);
  field_bytes_ += name.size() + value.size() + kFieldExtraBytes;
  if (field_bytes_ > limits_.header_bytes_max) {
    refusal_ =
        problem(431, "headers_too_large",
                fmt::format("the header fields have more than {} bytes", limits_.header_bytes_max));
  } else if (request_.headers.size() == limits_.headers_max) {
    refusal_ =
        problem(431, "too_many_headers",
                fmt::format("the request has more than {} header fields", limits_.headers_max));
  } else {
    request_.headers.add(std::string(name), std::string(value));
  }
}

// nghttp2 has seen to it that each comes once, before the fields, and with proper characters.
void Http2Head::add_pseudo(std::string_view name, std::string_view value) {
  if (name == ":path") {
    if (value.size() > limits_.target_bytes_max) {
      refusal_ = problem(414, "target_too_long",
                         fmt::format("a target may have {} bytes", limits_.target_bytes_max));
    } else {
      request_.target = value;
    }
  } else if (name == ":method" || name == ":authority") {
    const bool is_method = name == ":method";
    if (value.size() > (is_method ? kMethodBytesMax : kAuthorityBytesMax)) {
      refusal_ = problem(400, "bad_head", fmt::format("{} is too long", name));
    } else {
      (is_method ? request_.method : authority_) = value;
    }
  }
}

std::optional<Response> Http2Head::finish(const ServerOptions& options) {
  if (!refusal_) refusal_ = set_host();
  if (!refusal_) refusal_ = check_head(request_, Version::Http2, options);
  return std::move(refusal_);
}

// Handlers find the host where HTTP/1.1 has it.
std::optional<Response> Http2Head::set_host() {
  if (authority_.empty()) return std::nullopt;
  auto& headers = request_.headers;
  if (!headers.has("host")) {
    headers.add("host", authority_);
  } else if (!base::equal_ignoring_case(headers.value("host"), authority_)) {
    return problem(400, "bad_host", "the request names two hosts, in :authority and in Host");
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Http2Head::body_bytes() const {
  const auto text = request_.headers.value("content-length");
  std::uint64_t bytes = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (text.empty() || error != std::errc()) return std::nullopt;
  return bytes;
}

}  // namespace millrace::http
