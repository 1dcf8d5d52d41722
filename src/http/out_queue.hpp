#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <deque>
#include <span>
#include <string>

namespace millrace::http {

/// Bytes that wait to be sent. Small pieces are joined, large ones are kept as they are.
class OutQueue {
 public:
  bool is_empty() const { return byte_count_ == 0; }
  std::size_t byte_count() const { return byte_count_; }

  /// The last piece, to append small things to; `added` must follow.
  std::string& tail();
  void added(std::size_t byte_count) { byte_count_ += byte_count; }

  void push(std::string bytes);

  /// What to send next, from the front.
  std::span<const boost::asio::const_buffer> front_buffers();
  void remove_front(std::size_t byte_count);

 private:
  std::deque<std::string> pieces_;
  std::size_t front_sent_ = 0;  ///< of the first piece
  std::size_t byte_count_ = 0;
  std::array<boost::asio::const_buffer, 16> buffers_;
};

}  // namespace millrace::http
