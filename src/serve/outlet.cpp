#include "serve/outlet.hpp"

#include <algorithm>

namespace millrace::serve {
namespace {

using base::Result;

// Up to here an answer is kept whole, so that a late error still gets a status of its own.
constexpr std::size_t kPieceBytes = 256 << 10;

}  // namespace

Result<void> Outlet::send_if_large() {
  if (buffer_.size() < kPieceBytes) return {};
  if (!writer_) writer_ = exchange_.start(200, headers_);
  sent_bytes_ += buffer_.size();
  return writer_->write(std::exchange(buffer_, {}));
}

Result<void> Outlet::finish() {
  if (!writer_) {
    exchange_.answer({.status = 200, .headers = headers_, .body = std::move(buffer_)});
    return {};
  }
  TRY(writer_->write(std::move(buffer_)));
  return writer_->finish();
}

Result<void> send_rows(Outlet& out, RowsWriter& writer, const AnswerLimits& limits,
                       const std::function<Result<std::optional<sql::Chunk>>()>& next,
                       AnswerEnd& end) {
  while (!end.is_truncated) {
    auto chunk = TRY(next());
    if (!chunk) break;
    const std::size_t rows = chunk->row_count();
    for (std::size_t at = 0; at < rows;) {
      end.is_truncated = end.row_count == limits.rows_max || out.bytes() >= limits.bytes_max;
      if (end.is_truncated) break;
      const std::size_t count =
          writer.is_columnar() ? std::min(rows, limits.rows_max - end.row_count) : 1;
      TRY(writer.rows(*chunk, at, count, out.buffer()));
      end.row_count += count;
      at += count;
      TRY(out.send_if_large());
    }
  }
  return {};
}

}  // namespace millrace::serve
