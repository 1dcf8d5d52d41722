#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/body_budget.hpp"
#include "http/compression.hpp"
#include "http/message.hpp"
#include "http/server.hpp"

namespace millrace::http {

/// Collects the body of one request: decompresses it, holds the limits, and takes its memory from
/// the budget as it grows, so that a claimed length alone costs nothing.
class RequestBody {
 public:
  /// `length` as sent, if the head says it.
  RequestBody(const RequestLimits& limits, std::shared_ptr<BodyBudget> budget, Encoding encoding,
              std::optional<std::uint64_t> length);

  /// Returns the answer if the body is not taken.
  std::optional<Response> add(std::string_view piece);
  std::optional<Response> finish();

  std::uint64_t bytes_sent() const { return bytes_sent_; }
  /// Of memory, with what decompressing takes.
  std::uint64_t held_bytes() const;
  std::string take_bytes() { return std::move(bytes_); }
  BodyLease take_lease() { return std::move(lease_); }

 private:
  std::optional<Response> add_plain(std::string_view piece);
  std::optional<Response> decode(std::string_view piece);
  std::optional<Response> account();

  const RequestLimits& limits_;
  const std::optional<std::uint64_t> length_;
  std::unique_ptr<Decoder> decoder_;  ///< null: the body is not compressed
  std::uint64_t bytes_sent_ = 0;
  std::string bytes_;
  BodyLease lease_;
};

}  // namespace millrace::http
