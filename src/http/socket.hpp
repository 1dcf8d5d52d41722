#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <span>

#include "http/out_queue.hpp"
#include "http/tls.hpp"

namespace millrace::http {

/// A client's socket. If the server has TLS, the first byte tells whether the client speaks it.
/// Nothing blocks: what cannot be done yet is the error `would_block`, and then can be waited for.
class Socket {
 public:
  using ErrorCode = boost::system::error_code;

  Socket(boost::asio::ip::tcp::socket socket, std::shared_ptr<const Tls> tls)
      : socket_(std::move(socket)), tls_(std::move(tls)) {}

  boost::asio::ip::tcp::socket& plain() { return socket_; }
  /// True once it is known that the client does not use the TLS that there is.
  bool is_without_tls() const { return tls_ != nullptr && is_known_ && session_ == nullptr; }
  /// True until the client has shown itself, where there is TLS.
  bool is_in_handshake() const;

  std::size_t read_some(std::span<char> into, ErrorCode& error);
  std::size_t write_some(OutQueue& from, ErrorCode& error);
  /// Says that nothing more is sent.
  void end_sending(ErrorCode& error);
  void close();

  /// Calls `handler` with the outcome once reading, or writing, may go on.
  template <typename Handler>
  void async_wait_read(Handler handler) {
    if (has_input()) return boost::asio::post(socket_.get_executor(), [handler]() { handler({}); });
    socket_.async_wait(read_waits_for_, std::move(handler));
  }
  template <typename Handler>
  void async_wait_write(Handler handler) {
    socket_.async_wait(write_waits_for_, std::move(handler));
  }

 private:
  using Wait = boost::asio::ip::tcp::socket::wait_type;

  bool learn(ErrorCode& error);
  bool has_input() const;
  ErrorCode error_of(int outcome, Wait& waits_for) const;

  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<const Tls> tls_;
  Tls::Session session_;  ///< null: plain
  bool is_known_ = false;
  Wait read_waits_for_ = Wait::wait_read;
  Wait write_waits_for_ = Wait::wait_write;
};

}  // namespace millrace::http
