#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.hpp"
#include "base/result.hpp"

namespace millrace::flow {

/// A record's headers as the table `_rejects` has them: docs/formats/lake.md, "Rejects".
///     {"tenant":"acme","empty":null,"x-trace":{"base64":"/w=="}}
std::string encode_headers(std::span<const base::Header> headers);

/// The same read again, and the memory that they point into.
class KeptHeaders {
 public:
  /// Errors  Corrupt: it is not what `encode_headers` gives.
  base::Result<std::span<const base::Header>> add(std::string_view text);

 private:
  // Neither moves what it has when it grows.
  std::deque<std::string> texts_;
  std::deque<std::vector<base::Header>> headers_;
};

}  // namespace millrace::flow
