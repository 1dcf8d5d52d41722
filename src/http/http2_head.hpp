#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"
#include "http/server.hpp"

namespace millrace::http {

/// Collects the header fields of one request as they are unpacked, within the limits: what lies
/// beyond them is not kept, and the request is refused.
/// Source  RFC 9113, section 8.3
class Http2Head {
 public:
  explicit Http2Head(const RequestLimits& limits) : limits_(limits) {}

  void add(std::string_view name, std::string_view value);

  /// Checks what came. Returns the answer if the request is not taken.
  std::optional<Response> finish(const ServerOptions& options);
  const std::string& method() const { return request_.method; }
  /// As the client says it.
  std::optional<std::uint64_t> body_bytes() const;
  std::string_view value(std::string_view name) const { return request_.headers.value(name); }
  Request take() { return std::move(request_); }

 private:
  void add_pseudo(std::string_view name, std::string_view value);
  std::optional<Response> set_host();

  const RequestLimits& limits_;
  Request request_{.method = "", .target = ""};
  std::string authority_;
  std::uint64_t field_bytes_ = 0;
  std::optional<Response> refusal_;
};

}  // namespace millrace::http
