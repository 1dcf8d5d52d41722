#include "source/byte_stream.hpp"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/units.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace base::literals;

constexpr std::size_t kInputBytes = 256_KiB;
constexpr std::size_t kSkipBytes = 1_MiB;

class PlainStream final : public ByteStream {
 public:
  PlainStream(std::unique_ptr<StoredBytes> file, os::Path path)
      : file_(std::move(file)), path_(std::move(path)) {}

  Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t count = TRY(file_->read_at(at_, into, size));
    at_ += count;
    return count;
  }

  Result<void> skip(std::uint64_t bytes) override {
    at_ += bytes;
    if (at_ <= file_->size()) return {};
    return Error{
        Code::Corrupt,
        fmt::format("byte {} was read already, but the file has {} bytes now", at_, file_->size()),
        path_.string()};
  }

 private:
  const std::unique_ptr<StoredBytes> file_;
  const os::Path path_;
  std::uint64_t at_ = 0;
};

/// Packed data: the parts that gzip and zstd have in common.
class PackedStream : public ByteStream {
 public:
  PackedStream(std::unique_ptr<StoredBytes> file, os::Path path)
      : file_(std::move(file)), path_(std::move(path)), input_(kInputBytes) {}

  Result<std::size_t> read(char* into, std::size_t size) override {
    std::size_t done = 0;
    while (done < size) {
      if (input_begin_ == input_end_) TRY(fill());
      const bool has_input = input_begin_ < input_end_;
      // What is unpacked but did not fit before comes without new input.
      const std::size_t count = TRY(unpack(into + done, size - done));
      done += count;
      if (count > 0 || has_input) continue;
      if (!is_between_members()) {
        return damaged(
            "the packed data end in the middle: files must be complete when they appear");
      }
      break;
    }
    return done;
  }

  Result<void> skip(std::uint64_t bytes) override {
    std::vector<char> dropped(std::min<std::uint64_t>(bytes, kSkipBytes));
    while (bytes > 0) {
      const auto size = std::min<std::uint64_t>(bytes, dropped.size());
      const std::size_t count = TRY(read(dropped.data(), size));
      if (count < size) return damaged("the file is shorter than what was read of it before");
      bytes -= count;
    }
    return {};
  }

 protected:
  /// Unpacks some of the input; returns how many bytes were written.
  virtual Result<std::size_t> unpack(char* into, std::size_t size) = 0;
  virtual bool is_between_members() const = 0;

  const char* input() const { return input_.data() + input_begin_; }
  std::size_t input_bytes() const { return input_end_ - input_begin_; }
  void take_input(std::size_t count) { input_begin_ += count; }
  Error damaged(std::string_view what) const {
    return {Code::Corrupt,
            fmt::format("{} (at byte {} of the packed file)", what, file_at_ - input_bytes()),
            path_.string()};
  }

 private:
  Result<void> fill() {
    input_begin_ = 0;
    input_end_ = 0;
    input_end_ = TRY(file_->read_at(file_at_, input_.data(), input_.size()));
    file_at_ += input_end_;
    return {};
  }

  const std::unique_ptr<StoredBytes> file_;
  const os::Path path_;
  std::uint64_t file_at_ = 0;
  std::vector<char> input_;
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
};

class GzipStream final : public PackedStream {
 public:
  GzipStream(std::unique_ptr<StoredBytes> file, os::Path path)
      : PackedStream(std::move(file), std::move(path)) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    CHECK(inflateInit2(&state_, kGzipOnly) == Z_OK);
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() override { inflateEnd(&state_); }

 protected:
  Result<std::size_t> unpack(char* into, std::size_t size) override {
    const std::size_t room = std::min<std::size_t>(size, 1_GiB);
    const std::size_t given = input_bytes();
    state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input()));
    state_.avail_in = static_cast<uInt>(given);
    state_.next_out = reinterpret_cast<Bytef*>(into);
    state_.avail_out = static_cast<uInt>(room);
    if (given > 0) is_between_ = false;
    const int status = inflate(&state_, Z_NO_FLUSH);
    take_input(given - state_.avail_in);
    if (status == Z_STREAM_END) {
      is_between_ = true;
      inflateReset(&state_);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return damaged("this is not gzip, or damaged");
    }
    return room - state_.avail_out;
  }
  bool is_between_members() const override { return is_between_; }

 private:
  z_stream state_{};
  bool is_between_ = true;
};

class ZstdStream final : public PackedStream {
 public:
  ZstdStream(std::unique_ptr<StoredBytes> file, os::Path path)
      : PackedStream(std::move(file), std::move(path)), state_(ZSTD_createDStream()) {
    CHECK(state_ != nullptr);
  }
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;
  ~ZstdStream() override { ZSTD_freeDStream(state_); }

 protected:
  Result<std::size_t> unpack(char* into, std::size_t size) override {
    ZSTD_inBuffer in{input(), input_bytes(), 0};
    ZSTD_outBuffer out{into, size, 0};
    const std::size_t left = ZSTD_decompressStream(state_, &out, &in);
    if (ZSTD_isError(left) != 0) {
      return damaged(fmt::format("this is not zstd, or damaged: {}", ZSTD_getErrorName(left)));
    }
    take_input(in.pos);
    if (in.pos > 0 || out.pos > 0) is_between_ = left == 0;
    return out.pos;
  }
  bool is_between_members() const override { return is_between_; }

 private:
  ZSTD_DStream* const state_;
  bool is_between_ = true;
};

}  // namespace

bool is_packed(const os::Path& path) {
  return path.extension() == ".gz" || path.extension() == ".zst";
}

std::unique_ptr<ByteStream> make_byte_stream(std::unique_ptr<StoredBytes> file,
                                             const os::Path& path) {
  if (path.extension() == ".gz") return std::make_unique<GzipStream>(std::move(file), path);
  if (path.extension() == ".zst") return std::make_unique<ZstdStream>(std::move(file), path);
  return std::make_unique<PlainStream>(std::move(file), path);
}

}  // namespace millrace::source
