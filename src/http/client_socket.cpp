#include "http/client_socket.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <vector>

#include "base/units.hpp"
#include "http/url.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;
using boost::asio::ip::tcp;
using boost::system::error_code;

Result<std::vector<tcp::endpoint>> resolve(boost::asio::io_context& io,
                                           const ClientOptions& options) {
  error_code error;
  const auto address = boost::asio::ip::make_address(options.host, error);
  if (!error) return std::vector{tcp::endpoint(address, options.port)};
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port), error);
  if (error) {
    // A name server that does not answer is a passing fault, a name that is not there is none.
    const bool is_passing = error == boost::asio::error::host_not_found_try_again;
    return Error{is_passing ? Code::Unavailable : Code::Invalid,
                 fmt::format("there is no host '{}': {}", options.host, error.message())};
  }
  return std::vector<tcp::endpoint>(found.begin(), found.end());
}

Error broken(const error_code& error) {
  return {Code::Unavailable, fmt::format("the connection broke: {}", error.message())};
}

std::string format_silence(std::chrono::milliseconds silence) {
  return base::format_duration(silence);
}

}  // namespace

Result<void> ClientSocket::connect(const ClientOptions& options) {
  close();
  silence_max_ = options.silence_max;
  const auto endpoints = TRY(resolve(io_, options));
  error_code error = boost::asio::error::would_block;
  boost::asio::async_connect(
      socket_, endpoints, [&](const error_code& result, const tcp::endpoint&) { error = result; });
  io_.restart();
  io_.run_for(options.connect_deadline);
  const bool is_late = error == boost::asio::error::would_block;
  if (is_late) {
    close();
    io_.restart();
    io_.run();
  }
  if (error) {
    close();
    return Error{
        Code::Unavailable,
        fmt::format("cannot connect to {}: {}", format_endpoint(options.host, options.port),
                    is_late ? "no answer in " + format_silence(options.connect_deadline)
                            : error.message())};
  }
  socket_.non_blocking(true, error);
  socket_.set_option(tcp::no_delay(true), error);
  return {};
}

void ClientSocket::close() {
  error_code ignored;
  socket_.close(ignored);
}

bool ClientSocket::is_usable() {
  if (!socket_.is_open()) return false;
  char byte = 0;
  error_code error;
  socket_.read_some(boost::asio::mutable_buffer(&byte, 1), error);
  if (error == boost::asio::error::would_block) return true;
  close();
  return false;
}

Result<void> ClientSocket::write(std::span<const std::string_view> parts, std::size_t& sent_bytes,
                                 const std::stop_token& stop) {
  sent_bytes = 0;
  for (;;) {
    std::array<boost::asio::const_buffer, 4> buffers;
    std::size_t skipped = sent_bytes;
    std::size_t count = 0;
    CHECK(parts.size() <= buffers.size());
    for (const auto part : parts) {
      const auto begin = std::min(skipped, part.size());
      skipped -= begin;
      if (begin < part.size()) {
        buffers[count++] = boost::asio::const_buffer(part.data() + begin, part.size() - begin);
      }
    }
    if (count == 0) return {};
    error_code error;
    sent_bytes += socket_.write_some(std::span(buffers.data(), count), error);
    if (error == boost::asio::error::would_block) {
      TRY(wait(tcp::socket::wait_write, stop));
    } else if (error) {
      return broken(error);
    }
  }
}

Result<std::string_view> ClientSocket::read(const std::stop_token& stop) {
  for (;;) {
    error_code error;
    const auto count = socket_.read_some(boost::asio::buffer(buffer_), error);
    if (!error) return std::string_view(buffer_.data(), count);
    if (error == boost::asio::error::eof) return std::string_view();
    if (error != boost::asio::error::would_block) return broken(error);
    TRY(wait(tcp::socket::wait_read, stop));
  }
}

Result<void> ClientSocket::wait(tcp::socket::wait_type what, const std::stop_token& stop) {
  bool is_done = false;
  error_code error;
  socket_.async_wait(what, [&](const error_code& result) {
    is_done = true;
    error = result;
  });
  const auto cancel = [this] {
    error_code ignored;
    socket_.cancel(ignored);
  };
  {
    const std::stop_callback on_stop(stop, [&] { boost::asio::post(io_, cancel); });
    io_.restart();
    io_.run_for(silence_max_);
    if (!is_done) cancel();
  }
  const bool is_silent = !is_done;
  io_.restart();
  io_.run();  // What was cancelled, and a stop that came late, must not reach the next wait.
  if (stop.stop_requested()) return Error{Code::Cancelled, "stopped"};
  if (is_silent) {
    return Error{Code::Unavailable,
                 fmt::format("nothing came or went for {}", format_silence(silence_max_))};
  }
  if (error) return broken(error);
  return {};
}

}  // namespace millrace::http
