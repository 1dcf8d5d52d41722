#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "http/exchange.hpp"
#include "serve/rows_writer.hpp"

namespace millrace::serve {

/// The way of an answer's bytes to the client: whole if it is small, else piece by piece.
class Outlet {
 public:
  Outlet(http::Exchange& exchange, AnswerFormat format)
      : exchange_(exchange), headers_{{"Content-Type", std::string(content_type_of(format))}} {}

  void add_header(std::string name, std::string value) {
    headers_.add(std::move(name), std::move(value));
  }
  std::string& buffer() { return buffer_; }
  std::uint64_t bytes() const { return sent_bytes_ + buffer_.size(); }
  bool has_started() const { return writer_ != nullptr; }
  base::Result<void> send_if_large();
  base::Result<void> finish();

 private:
  http::Exchange& exchange_;
  http::Headers headers_;
  std::string buffer_;
  std::uint64_t sent_bytes_ = 0;
  std::shared_ptr<http::BodyWriter> writer_;
};

/// Where an answer is cut.
struct AnswerLimits {
  std::size_t rows_max = SIZE_MAX;
  std::uint64_t bytes_max = UINT64_MAX;
};

/// Writes the rows of the chunks that `next` gives, up to the limits; counts them in `end`. What
/// stands behind the rows is still to be written.
base::Result<void> send_rows(Outlet& out, RowsWriter& writer, const AnswerLimits& limits,
                             const std::function<base::Result<std::optional<sql::Chunk>>()>& next,
                             AnswerEnd& end);

}  // namespace millrace::serve
