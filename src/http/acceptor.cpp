#include "http/acceptor.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <future>

#include "http/url.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;
using boost::asio::ip::tcp;
using boost::system::error_code;

// Beyond connections_max so many are still told that there are too many; further ones are cut.
constexpr std::size_t kRefusedMax = 64;
// After a failed accept (no descriptor is left, mostly).
constexpr std::chrono::milliseconds kRest{100};
// So long further failures are only counted.
constexpr std::chrono::seconds kQuiet{10};

Error open_error(const error_code& error, const ServerOptions& options) {
  using namespace boost::asio::error;
  const std::string place = format_endpoint(options.host, options.port);
  if (error == address_in_use) {
    return {Code::Unavailable,
            fmt::format("port {} is in use (listening on {}): stop the program that has it, or "
                        "choose another port",
                        options.port, place)};
  }
  if (error == access_denied) {
    return {Code::Denied, fmt::format("listening on {} is not allowed: ports below 1024 need a "
                                      "privilege, choose another one",
                                      place)};
  }
  return {Code::Invalid, fmt::format("cannot listen on {}: {}", place, error.message())};
}

Result<tcp::endpoint> resolve(boost::asio::io_context& io, const ServerOptions& options) {
  error_code error;
  const std::string& host = options.host;
  const auto address = boost::asio::ip::make_address(host, error);
  if (!error) return tcp::endpoint(address, options.port);
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(options.port), error);
  if (error || found.empty()) {
    return Error{Code::Invalid, fmt::format("'{}' is no address of this machine: {}", host,
                                            error ? error.message() : "nothing found")};
  }
  // `localhost` may stand for both families; what most clients try is 127.0.0.1.
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::open(ServerShared& shared,
                                                 const std::vector<std::unique_ptr<Loop>>& loops) {
  const auto& options = shared.options;
  auto& io = loops.front()->io();
  const auto endpoint = TRY(resolve(io, options));
  tcp::acceptor acceptor(io);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  // So that a restart need not wait for the connections of the run before.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return open_error(error, options);
  return std::unique_ptr<Acceptor>(new Acceptor(shared, loops, std::move(acceptor)));
}

Acceptor::Acceptor(ServerShared& shared, const std::vector<std::unique_ptr<Loop>>& loops,
                   tcp::acceptor acceptor)
    : shared_(shared),
      loops_(loops),
      acceptor_(std::move(acceptor)),
      rest_timer_(loops.front()->io()),
      port_(acceptor_.local_endpoint().port()) {}

void Acceptor::start() {
  boost::asio::post(acceptor_.get_executor(), [this] { accept(); });
}

void Acceptor::close() {
  std::promise<void> closed;
  boost::asio::post(acceptor_.get_executor(), [this, &closed] {
    error_code ignored;
    acceptor_.close(ignored);
    rest_timer_.cancel(ignored);
    closed.set_value();
  });
  closed.get_future().wait();
}

void Acceptor::accept() {
  if (!acceptor_.is_open()) return;
  Loop& loop = *loops_[turn_++ % loops_.size()];
  acceptor_.async_accept(loop.io(), [this, &loop](const error_code& error, tcp::socket socket) {
    on_accept(error, std::move(socket), loop);
  });
}

void Acceptor::on_accept(const error_code& error, tcp::socket socket, Loop& loop) {
  if (!acceptor_.is_open()) return;
  // The client may be gone again before it was accepted.
  if (error == boost::asio::error::connection_aborted) return accept();
  if (error) {
    const auto now = std::chrono::steady_clock::now();
    const bool is_quiet = now < quiet_until_;
    if (!is_quiet) quiet_until_ = now + kQuiet;
    events::accept_failed(shared_.telemetry, is_quiet ? "" : error.message());
    return rest();
  }
  const auto count = shared_.connection_count.fetch_add(1) + 1;
  const auto max = shared_.options.connections_max;
  if (count <= max) {
    loop.add(std::move(socket), Admission::Serve);
  } else {
    events::too_many_connections(shared_.telemetry, max);
    if (count <= max + kRefusedMax) {
      loop.add(std::move(socket), Admission::TooMany);
    } else {
      shared_.connection_count.fetch_sub(1);
    }
  }
  accept();
}

void Acceptor::rest() {
  rest_timer_.expires_after(kRest);
  rest_timer_.async_wait([this](const error_code& error) {
    if (!error) accept();
  });
}

}  // namespace millrace::http
