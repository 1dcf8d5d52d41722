#include "http/request_body.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::http {
namespace {

// What is decompressed at a time, before the budget is asked again.
constexpr std::size_t kSliceBytes = 8_KiB;
constexpr std::uint64_t kReserveBytesMin = 64_KiB;

Response too_large(std::string_view what) {
  return problem(413, "body_too_large", fmt::format("the body is too large: {}", what));
}

}  // namespace

RequestBody::RequestBody(const RequestLimits& limits, std::shared_ptr<BodyBudget> budget,
                         Encoding encoding, std::optional<std::uint64_t> length)
    : limits_(limits), length_(length), lease_(std::move(budget)) {
  if (encoding == Encoding::Identity) return;
  decoder_ = Decoder::make(encoding, {.bytes_max = limits.body_decoded_bytes_max,
                                      .ratio_max = limits.ratio_max,
                                      .ratio_free_bytes = limits.ratio_free_bytes});
}

std::optional<Response> RequestBody::add(std::string_view piece) {
  if (piece.empty()) return std::nullopt;
  bytes_sent_ += piece.size();
  if (bytes_sent_ > limits_.body_bytes_max) {
    return too_large(fmt::format("{} bytes are taken: send it in parts", limits_.body_bytes_max));
  }
  return decoder_ == nullptr ? add_plain(piece) : decode(piece);
}

std::optional<Response> RequestBody::finish() {
  if (decoder_ == nullptr || bytes_sent_ == 0) return std::nullopt;
  auto finished = decoder_->finish();
  decoder_.reset();
  if (!finished) return problem(400, "bad_body", finished.error().text());
  return account();
}

std::optional<Response> RequestBody::add_plain(std::string_view piece) {
  const std::uint64_t wanted = bytes_.size() + piece.size();
  if (length_ && wanted > bytes_.capacity()) {
    // Twice the size each time, but not past the end that is known.
    bytes_.reserve(std::min(*length_, std::max(2 * wanted, kReserveBytesMin)));
  }
  bytes_.append(piece);
  return account();
}

std::optional<Response> RequestBody::decode(std::string_view piece) {
  while (!piece.empty()) {
    const auto slice = piece.substr(0, kSliceBytes);
    piece.remove_prefix(slice.size());
    if (auto decoded = decoder_->decode(slice, bytes_); !decoded) {
      if (decoded.error().code == base::Code::Exhausted) return too_large(decoded.error().message);
      return problem(400, "bad_body", decoded.error().text());
    }
    if (auto refusal = account()) return refusal;
  }
  return std::nullopt;
}

std::uint64_t RequestBody::held_bytes() const {
  // What is reserved beyond the size was not touched and is no memory yet.
  return bytes_.size() + (decoder_ == nullptr ? 0 : decoder_->memory_bytes());
}

std::optional<Response> RequestBody::account() {
  if (lease_.resize(held_bytes())) return std::nullopt;
  auto busy = problem(503, "busy",
                      "the bodies of the requests in flight fill the memory that they may have; "
                      "come again");
  busy.headers.add("Retry-After", "1");
  return busy;
}

}  // namespace millrace::http
