#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::bench {

/// An HTTP/1.1 connection to this machine that is kept: as little client as a measurement can do
/// with.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    is_open_ = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(descriptor_); }

  /// The status of the answer, whose body is in `answer()`; 0 if the connection is lost.
  /// `headers` are whole lines with their ends.
  int post(std::string_view target, std::string_view content_type, std::string_view body,
           std::string_view headers = {}) {
    message_.clear();
    fmt::format_to(std::back_inserter(message_),
                   "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\n{}"
                   "Content-Length: {}\r\n\r\n",
                   target, content_type, headers, body.size());
    message_ += body;
    if (!is_open_ || !send_all(message_)) return 0;
    return read_answer();
  }
  std::string_view answer() const { return std::string_view(answer_).substr(body_at_); }

 private:
  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return is_open_ = false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  int read_answer() {
    constexpr std::string_view kLength = "ontent-Length: ", kLengthLower = "ontent-length: ";
    answer_.clear();
    body_at_ = 0;
    char piece[16384];
    for (;;) {
      const auto count = ::recv(descriptor_, piece, sizeof piece, 0);
      if (count <= 0) return (is_open_ = false), 0;
      answer_.append(piece, static_cast<std::size_t>(count));
      const auto end = answer_.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto at = std::min(answer_.find(kLength), answer_.find(kLengthLower));
      std::size_t bytes = 0;
      if (at < end)
        std::from_chars(answer_.data() + at + kLength.size(), answer_.data() + end, bytes);
      if (answer_.size() < end + 4 + bytes) continue;
      body_at_ = end + 4;
      int status = 0;
      std::from_chars(answer_.data() + 9, answer_.data() + 12, status);
      return status;
    }
  }

  int descriptor_;
  bool is_open_ = false;
  std::string message_;
  std::string answer_;
  std::size_t body_at_ = 0;
};

}  // namespace millrace::bench
