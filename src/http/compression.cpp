#include "http/compression.hpp"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::size_t kPieceBytes = 32_KiB;
// zlib's inflate: its state and a window of 32 KiB.
constexpr std::uint64_t kInflateBytes = 48_KiB;
constexpr int kZstdWindowLogMax = 27;
constexpr int kGzipWindowBits = 15 + 16;  // 16: with the gzip header

// Where a decoder's output goes first: one per thread, as no decoder keeps anything in it.
std::array<char, kPieceBytes>& scratch() {
  thread_local std::array<char, kPieceBytes> bytes;
  return bytes;
}

// Counts what goes in and comes out and holds it against the limits.
class Tally {
 public:
  explicit Tally(const DecodeLimits& limits) : limits_(limits) {}

  Result<void> add(std::uint64_t bytes_in, std::uint64_t bytes_out) {
    bytes_in_ += bytes_in;
    bytes_out_ += bytes_out;
    if (bytes_out_ > limits_.bytes_max) {
      return Error{Code::Exhausted, fmt::format("it decompresses to more than {}",
                                                base::format_bytes(limits_.bytes_max))};
    }
    if (bytes_out_ > limits_.ratio_free_bytes && bytes_out_ / limits_.ratio_max > bytes_in_) {
      return Error{Code::Exhausted,
                   fmt::format("it decompresses to more than {} times its size and {}",
                               limits_.ratio_max, base::format_bytes(limits_.ratio_free_bytes))};
    }
    return {};
  }

 private:
  const DecodeLimits limits_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

class IdentityDecoder final : public Decoder {
 public:
  explicit IdentityDecoder(const DecodeLimits& limits) : tally_(limits) {}

  Result<void> decode(std::string_view piece, std::string& into) override {
    TRY(tally_.add(piece.size(), piece.size()));
    into.append(piece);
    return {};
  }
  Result<void> finish() override { return {}; }
  std::uint64_t memory_bytes() const override { return 0; }

 private:
  Tally tally_;
};

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(const DecodeLimits& limits) : tally_(limits) {
    CHECK(inflateInit2(&stream_, kGzipWindowBits) == Z_OK);
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;
  ~GzipDecoder() override { inflateEnd(&stream_); }

  Result<void> decode(std::string_view piece, std::string& into) override {
    // zlib only reads it, but its pointer is not const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream_.avail_in = static_cast<uInt>(piece.size());
    bool is_output_full = false;
    while (stream_.avail_in > 0 || is_output_full) {
      if (is_between_members_) {
        CHECK(inflateReset(&stream_) == Z_OK);
        is_between_members_ = false;
      }
      auto& out = scratch();
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(out.size());
      const auto left = stream_.avail_in;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return damaged();
      const auto count = out.size() - stream_.avail_out;
      TRY(tally_.add(left - stream_.avail_in, count));
      into.append(out.data(), count);
      is_between_members_ = code == Z_STREAM_END;
      is_output_full = !is_between_members_ && stream_.avail_out == 0;
    }
    return {};
  }

  Result<void> finish() override {
    if (!is_between_members_) return Error{Code::Invalid, "the gzip data is cut off"};
    return {};
  }
  std::uint64_t memory_bytes() const override { return kInflateBytes; }

 private:
  Error damaged() const {
    return {Code::Invalid,
            fmt::format("the gzip data is damaged: {}",
                        stream_.msg != nullptr ? stream_.msg : "it does not decode")};
  }

  Tally tally_;
  z_stream stream_ = {};
  bool is_between_members_ = false;
};

class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(const DecodeLimits& limits)
      : tally_(limits), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
    CHECK(context_ != nullptr);
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }

  Result<void> decode(std::string_view piece, std::string& into) override {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    bool is_output_full = false;
    while (in.pos < in.size || is_output_full) {
      auto& buffer = scratch();
      ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
      const auto before = in.pos;
      const std::size_t code = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(code) != 0) {
        return Error{Code::Invalid,
                     fmt::format("the zstd data is damaged: {}", ZSTD_getErrorName(code))};
      }
      TRY(tally_.add(in.pos - before, out.pos));
      into.append(buffer.data(), out.pos);
      is_between_frames_ = code == 0;
      is_output_full = !is_between_frames_ && out.pos == out.size;
    }
    return {};
  }

  Result<void> finish() override {
    if (!is_between_frames_) return Error{Code::Invalid, "the zstd data is cut off"};
    return {};
  }
  std::uint64_t memory_bytes() const override { return ZSTD_sizeof_DCtx(context_.get()); }

 private:
  Tally tally_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
  bool is_between_frames_ = false;
};

std::string compress_gzip(std::string_view bytes) {
  z_stream stream = {};
  CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, 8,
                     Z_DEFAULT_STRATEGY) == Z_OK);
  std::string compressed;
  std::array<char, kPieceBytes> out;
  int code = Z_OK;
  do {
    // zlib counts in 32 bits: hand over what fits.
    const auto piece = bytes.substr(0, 1_GiB);
    bytes.remove_prefix(piece.size());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = static_cast<uInt>(out.size());
      code = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
      compressed.append(out.data(), out.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  } while (code != Z_STREAM_END);
  deflateEnd(&stream);
  return compressed;
}

std::string compress_zstd(std::string_view bytes) {
  std::string compressed(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t count = ZSTD_compress(compressed.data(), compressed.size(), bytes.data(),
                                          bytes.size(), ZSTD_CLEVEL_DEFAULT);
  CHECK(ZSTD_isError(count) == 0);
  compressed.resize(count);
  return compressed;
}

}  // namespace

std::optional<Encoding> encoding_of(std::string_view content_encoding) {
  const auto name = base::trimmed(content_encoding);
  const auto is = [&](std::string_view other) { return base::equal_ignoring_case(name, other); };
  if (name.empty() || is("identity")) return Encoding::Identity;
  if (is("gzip") || is("x-gzip")) return Encoding::Gzip;
  if (is("zstd")) return Encoding::Zstd;
  return std::nullopt;
}

std::string_view name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::Identity:
      return "identity";
    case Encoding::Gzip:
      return "gzip";
    case Encoding::Zstd:
      return "zstd";
  }
  return "identity";
}

std::unique_ptr<Decoder> Decoder::make(Encoding encoding, const DecodeLimits& limits) {
  CHECK(limits.ratio_max > 0);
  switch (encoding) {
    case Encoding::Gzip:
      return std::make_unique<GzipDecoder>(limits);
    case Encoding::Zstd:
      return std::make_unique<ZstdDecoder>(limits);
    case Encoding::Identity:
      break;
  }
  return std::make_unique<IdentityDecoder>(limits);
}

Result<std::string> decompress(Encoding encoding, std::string_view bytes,
                               const DecodeLimits& limits) {
  const auto decoder = Decoder::make(encoding, limits);
  std::string decompressed;
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, 1_MiB);
    bytes.remove_prefix(piece.size());
    TRY(decoder->decode(piece, decompressed));
  }
  TRY(decoder->finish());
  return decompressed;
}

std::string compress(Encoding encoding, std::string_view bytes) {
  switch (encoding) {
    case Encoding::Gzip:
      return compress_gzip(bytes);
    case Encoding::Zstd:
      return compress_zstd(bytes);
    case Encoding::Identity:
      break;
  }
  return std::string(bytes);
}

}  // namespace millrace::http
