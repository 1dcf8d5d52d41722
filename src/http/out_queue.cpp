#include "http/out_queue.hpp"

#include "base/result.hpp"

namespace millrace::http {
namespace {

constexpr std::size_t kJoinedBytesMax = 16384;
// An empty piece of up to this capacity is kept for the next answer.
constexpr std::size_t kKeptBytesMax = 2 * kJoinedBytesMax;

}  // namespace

std::string& OutQueue::tail() {
  if (pieces_.empty() || pieces_.back().size() >= kJoinedBytesMax) pieces_.emplace_back();
  return pieces_.back();
}

void OutQueue::push(std::string bytes) {
  if (bytes.empty()) return;
  byte_count_ += bytes.size();
  if (bytes.size() < kJoinedBytesMax) {
    tail() += bytes;
  } else {
    pieces_.push_back(std::move(bytes));
  }
}

std::span<const boost::asio::const_buffer> OutQueue::front_buffers() {
  std::size_t count = 0;
  for (const auto& piece : pieces_) {
    if (count == buffers_.size()) break;
    const std::size_t sent = count == 0 ? front_sent_ : 0;
    buffers_[count++] = boost::asio::const_buffer(piece.data() + sent, piece.size() - sent);
  }
  return {buffers_.data(), count};
}

void OutQueue::remove_front(std::size_t byte_count) {
  CHECK(byte_count <= byte_count_);
  byte_count_ -= byte_count;
  while (byte_count > 0 || (!pieces_.empty() && pieces_.front().size() == front_sent_)) {
    auto& front = pieces_.front();
    const std::size_t left = front.size() - front_sent_;
    if (byte_count < left) {
      front_sent_ += byte_count;
      return;
    }
    byte_count -= left;
    front_sent_ = 0;
    if (pieces_.size() == 1 && front.capacity() <= kKeptBytesMax) {
      front.clear();
      return;
    }
    pieces_.pop_front();
  }
}

}  // namespace millrace::http
