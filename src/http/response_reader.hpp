#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/client.hpp"

namespace millrace::http {

/// Reads one answer out of bytes as they come; it knows no socket. Interim answers (1xx) are
/// passed over.
class ResponseReader {
 public:
  /// `read` takes the body. `is_bodiless`: the request was HEAD.
  ResponseReader(const BodyReader& read, bool is_bodiless);
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;
  ~ResponseReader();

  /// Reads until the answer is complete or `bytes` hold no more. Returns how many bytes were used;
  /// the rest must stand at the beginning of the next call's bytes.
  /// Errors  Corrupt: it is no answer. And what `read` returns.
  base::Result<std::size_t> read(std::string_view bytes);
  /// The connection ended. True if that ends the answer, false if it is cut off.
  base::Result<bool> finish();

  bool is_complete() const;
  bool is_keep_alive() const;
  const ResponseHead& head() const { return head_; }
  ResponseHead take_head() { return std::move(head_); }

 private:
  class Parser;

  const BodyReader& read_;
  const bool is_bodiless_;
  ResponseHead head_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace millrace::http
