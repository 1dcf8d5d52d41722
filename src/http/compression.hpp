#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/units.hpp"

namespace millrace::http {

using namespace base::literals;

enum class Encoding : std::uint8_t { Identity, Gzip, Zstd };

/// Reads a Content-Encoding: `gzip` (or `x-gzip`), `zstd`, `identity` or empty. Nothing for any
/// other, and for more than one.
std::optional<Encoding> encoding_of(std::string_view content_encoding);
std::string_view name_of(Encoding encoding);

struct DecodeLimits {
  std::uint64_t bytes_max = 64_MiB;        ///< decompressed
  std::uint64_t ratio_max = 100;           ///< decompressed to compressed
  std::uint64_t ratio_free_bytes = 1_MiB;  ///< up to here any ratio is fine
};

/// Decompresses piece by piece: gzip with any number of members, zstd with any number of frames and
/// a window of at most 128 MiB.
class Decoder {
 public:
  static std::unique_ptr<Decoder> make(Encoding encoding, const DecodeLimits& limits);
  virtual ~Decoder() = default;

  /// Appends what `piece` holds to `into`.
  /// Errors  Invalid: damaged. Exhausted: beyond a limit.
  virtual base::Result<void> decode(std::string_view piece, std::string& into) = 0;
  /// Errors  Invalid: cut off.
  virtual base::Result<void> finish() = 0;
  /// Bytes that the decoder itself holds.
  virtual std::uint64_t memory_bytes() const = 0;
};

base::Result<std::string> decompress(Encoding encoding, std::string_view bytes,
                                     const DecodeLimits& limits = {});
/// Compresses at the library's usual level.
std::string compress(Encoding encoding, std::string_view bytes);

}  // namespace millrace::http
