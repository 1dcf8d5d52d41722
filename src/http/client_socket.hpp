#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.hpp"
#include "http/client.hpp"

namespace millrace::http {

/// A blocking TCP connection whose waits end by time or when asked to stop.
class ClientSocket {
 public:
  /// Errors  Invalid: no such host. Unavailable: nobody listens there, or not in time.
  base::Result<void> connect(const ClientOptions& options);
  void close();

  /// False if there is none, or the other side closed it or sent what nobody asked for.
  bool is_usable();

  /// Sends all. `sent_bytes` says how much was, also after an error.
  /// Errors  Unavailable: it broke or nothing went for `silence_max`. Cancelled.
  base::Result<void> write(std::span<const std::string_view> parts, std::size_t& sent_bytes,
                           const std::stop_token& stop);
  /// What comes next, until the next call; empty at the end.
  /// Errors  as write
  base::Result<std::string_view> read(const std::stop_token& stop);

 private:
  base::Result<void> wait(boost::asio::ip::tcp::socket::wait_type what,
                          const std::stop_token& stop);

  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::socket socket_{io_};
  std::chrono::milliseconds silence_max_{0};
  std::string buffer_ = std::string(64_KiB, '\0');
};

}  // namespace millrace::http
