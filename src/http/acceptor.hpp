#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/loop.hpp"

namespace millrace::http {

/// Listens, and deals new connections out to the loops in turn.
/// Threads: after `start` those of the first loop, but for `close`.
class Acceptor {
 public:
  /// Errors  see Server::start
  static base::Result<std::unique_ptr<Acceptor>> open(
      ServerShared& shared, const std::vector<std::unique_ptr<Loop>>& loops);

  std::uint16_t port() const { return port_; }
  void start();
  /// No connection comes after this. Not from a loop's thread; the loops must run.
  void close();

 private:
  Acceptor(ServerShared& shared, const std::vector<std::unique_ptr<Loop>>& loops,
           boost::asio::ip::tcp::acceptor acceptor);
  void accept();
  void on_accept(const boost::system::error_code& error, boost::asio::ip::tcp::socket socket,
                 Loop& loop);
  void rest();

  ServerShared& shared_;
  const std::vector<std::unique_ptr<Loop>>& loops_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer rest_timer_;
  std::uint16_t port_ = 0;
  std::size_t turn_ = 0;
  base::SteadyTime quiet_until_{};
};

}  // namespace millrace::http
