#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.hpp"
#include "http/server.hpp"

namespace millrace::http {

/// Finds where the head of a request ends, and refuses what lenient readers read in more than one
/// way: bare line feeds, folded lines, heads beyond the limits.
class HeadScanner {
 public:
  explicit HeadScanner(const RequestLimits& limits) : limits_(limits) {}

  /// Looks for the end in `bytes`, which begin with the head and at each call hold more of it.
  /// Returns the head's size with its empty line; nothing while it is incomplete, or is refused.
  std::optional<std::size_t> scan(std::string_view bytes);

  const std::optional<Response>& refusal() const { return refusal_; }
  std::size_t field_count() const { return field_count_; }
  void reset();

 private:
  void check_line(std::string_view line);
  void check_size(std::size_t bytes);
  void refuse(int status, std::string_view code, std::string_view message);

  const RequestLimits& limits_;
  std::size_t line_begin_ = 0;    ///< where the line begins whose end was not found yet
  std::size_t fields_begin_ = 0;  ///< 0 while the request line is incomplete
  std::size_t field_count_ = 0;
  std::optional<Response> refusal_;
};

}  // namespace millrace::http
