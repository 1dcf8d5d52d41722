#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/telemetry.hpp"
#include "http/client.hpp"
#include "http/router.hpp"
#include "http/server.hpp"

namespace millrace::http {

/// A server on a free port of the loopback, with the routes that a test adds before `start`.
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {}) : options_(std::move(options)) {
    options_.port = 0;
  }

  Router router;
  base::Metrics metrics;

  TestServer& start() {
    auto started = Server::start(
        options_,
        [this](std::shared_ptr<Exchange> exchange) { router.handle(std::move(exchange)); }, clock_,
        {log_, metrics});
    EXPECT_TRUE(started.has_value()) << started.error().text();
    server_ = std::move(started).value();
    return *this;
  }

  Server& server() { return *server_; }

  Client client() {
    auto client = Client::open({.port = server_->port()});
    EXPECT_TRUE(client.has_value()) << client.error().text();
    return std::move(client).value();
  }

  Response get(const std::string& target) { return send({.target = target}); }
  Response send(const Request& request) {
    auto response = client().send(request);
    EXPECT_TRUE(response.has_value()) << response.error().text();
    return response ? std::move(response).value() : Response{.status = 0};
  }

 private:
  ServerOptions options_;
  base::SystemClock clock_;
  base::EventLog log_ = base::EventLog::silent();
  std::unique_ptr<Server> server_;
};

/// A plain connection, for what no honest client sends.
class RawConnection {
 public:
  explicit RawConnection(TestServer& server) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), server.server().port()});
  }

  /// Sends, and swallows that the server has closed already.
  void send(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }
  void end_sending() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }
  void close() { socket_.close(); }

  /// All until the server closes the connection.
  std::string read_all() {
    while (read_some()) {
    }
    return std::exchange(read_, {});
  }
  /// Reads until `wanted` has come, or the connection ends; returns what came up to its end.
  std::string read_until(std::string_view wanted) {
    std::size_t at = std::string::npos;
    while ((at = read_.find(wanted)) == std::string::npos) {
      if (!read_some()) return std::exchange(read_, {});
    }
    auto came = read_.substr(0, at + wanted.size());
    read_.erase(0, came.size());
    return came;
  }

 private:
  bool read_some() {
    char bytes[4096];
    boost::system::error_code error;
    const auto count = socket_.read_some(boost::asio::buffer(bytes), error);
    read_.append(bytes, count);
    return !error;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  std::string read_;
};

/// Answers with method, path and body.
inline void echo(const std::shared_ptr<Exchange>& exchange) {
  const auto& request = exchange->request();
  exchange->answer({.body = request.method + " " + request.path + " " + request.body});
}

}  // namespace millrace::http
