#include "log/batch_scanner.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace millrace::log {
namespace {

using base::Result;
using namespace base::literals;

constexpr std::uint64_t kHeadersWindowBytes = 64_KiB;
constexpr std::uint64_t kWindowBytes = 1_MiB;

}  // namespace

BatchScanner::BatchScanner(const os::File& file, const SealedHeader& segment, Check check)
    : file_(file),
      seed_(segment.seed),
      check_(check),
      file_bytes_(file.size()),
      expected_(segment.header.base) {}

Result<std::optional<FoundBatch>> BatchScanner::next() {
  const auto header = read_batch_header(TRY(view(position_, kBatchHeaderBytes)), seed_);
  if (!header || header->base != expected_ || header->group_at > position_ ||
      header->bytes() > file_bytes_ - position_) {
    return std::optional<FoundBatch>();
  }
  FoundBatch found{.at = position_, .header = *header, .payload = {}};
  if (check_ == Check::Everything) {
    const auto batch = TRY(view(position_, header->bytes()));
    if (batch.size() < header->bytes()) return std::optional<FoundBatch>();
    found.payload = batch.substr(kBatchHeaderBytes);
    if (checksum(found.payload, seed_) != header->payload_checksum) {
      return std::optional<FoundBatch>();
    }
  }
  position_ += header->bytes();
  expected_ = header->end();
  return std::optional(found);
}

Result<std::optional<BatchHeader>> BatchScanner::find_later_group(std::uint64_t group_at) {
  for (std::uint64_t at = position_ + 1; at + kBatchHeaderBytes <= file_bytes_;) {
    const auto window = TRY(view(at, kWindowBytes));
    if (window.size() < kBatchHeaderBytes) break;
    std::size_t found = 0;
    while ((found = window.find(kBatchMagic, found)) != std::string_view::npos) {
      const auto header = read_batch_header(window.substr(found), seed_);
      if (header && header->group_at > group_at) return header;
      ++found;
    }
    at += window.size() - (kBatchHeaderBytes - 1);
  }
  return std::optional<BatchHeader>();
}

// What the file holds of [at, at + bytes), from memory if it was read already.
Result<std::string_view> BatchScanner::view(std::uint64_t at, std::uint64_t bytes) {
  bytes = std::min(bytes, file_bytes_ - std::min(at, file_bytes_));
  if (at < window_at_ || at + bytes > window_at_ + window_.size()) {
    const auto least = check_ == Check::Headers ? kHeadersWindowBytes : kWindowBytes;
    window_.resize(std::min(std::max(bytes, least), file_bytes_ - std::min(at, file_bytes_)));
    window_.resize(TRY(file_.read_at(at, window_.data(), window_.size())));
    window_at_ = at;
  }
  const auto begin = static_cast<std::size_t>(at - window_at_);
  return std::string_view(window_).substr(begin, bytes);
}

}  // namespace millrace::log
