#include "http/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <mutex>

#include "base/text.hpp"
#include "http/acceptor.hpp"
#include "http/loop.hpp"
#include "http/url.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;

Result<void> check_range(std::string_view name, std::uint64_t value, std::uint64_t min,
                         std::uint64_t max) {
  if (value >= min && value <= max) return {};
  return Error{Code::Invalid, fmt::format("the server's {} is {}, but must be from {} to {}", name,
                                          value, min, max)};
}

Result<void> check(const ServerOptions& options) {
  constexpr std::uint64_t kAny = std::uint64_t{1} << 62;
  TRY(check_range("threads", options.threads, 1, 256));
  TRY(check_range("connections_max", options.connections_max, 1, 1'000'000));
  TRY(check_range("streams_max", options.streams_max, 1, 10'000));
  TRY(check_range("bodies_bytes_max", options.bodies_bytes_max, 1, kAny));
  TRY(check_range("unsent_bytes_max", options.unsent_bytes_max, 1, kAny));
  const auto& limits = options.limits;
  TRY(check_range("header_bytes_max", limits.header_bytes_max, 64, 16_MiB));
  TRY(check_range("headers_max", limits.headers_max, 1, 100'000));
  TRY(check_range("target_bytes_max", limits.target_bytes_max, 16, 1_MiB));
  TRY(check_range("body_bytes_max", limits.body_bytes_max, 0, kAny));
  TRY(check_range("ratio_max", limits.ratio_max, 1, kAny));
  const auto& deadlines = options.deadlines;
  TRY(check_range("body_bytes_per_second_min", deadlines.body_bytes_per_second_min, 1, kAny));
  for (const auto deadline : {deadlines.header, deadlines.body, deadlines.body_grace,
                              deadlines.idle, deadlines.write_stall, deadlines.drain}) {
    if (deadline.count() < 0 || deadline > std::chrono::hours(24 * 365)) {
      return Error{Code::Invalid,
                   fmt::format("a deadline of the server is {} ms, but must be from 0 to a year",
                               deadline.count())};
    }
  }
  return {};
}

}  // namespace

bool is_loopback(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (base::equal_ignoring_case(host, "localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

std::vector<std::string> loopback_hosts() {
  return {"localhost", "127.0.0.1", "::1"};
}

struct Server::State {
  State(ServerOptions options, Handler handler, const base::Clock& clock,
        base::Telemetry telemetry);

  /// Wakes who waits for the last connection to go.
  void note_end();
  void drain();
  void wait_for_end(std::unique_lock<std::mutex>& lock);

  enum class Step : std::uint8_t { Serving, Draining, Closing, Stopped };

  ServerShared shared;
  std::vector<std::unique_ptr<Loop>> loops;
  std::unique_ptr<Acceptor> acceptor;

  std::mutex mutex;
  std::condition_variable changed;
  Step step = Step::Serving;     // Guarded by mutex.
  bool is_now = false;           // Guarded by mutex.
  base::SteadyTime drain_until;  // Guarded by mutex.
};

Server::State::State(ServerOptions options, Handler handler, const base::Clock& clock,
                     base::Telemetry telemetry)
    : shared{.options = std::move(options),
             .handler = std::move(handler),
             .clock = clock,
             .telemetry = telemetry,
             .on_connection_end = [this] { note_end(); }} {
  for (std::size_t i = 0; i < shared.options.threads; ++i) {
    loops.push_back(std::make_unique<Loop>(shared));
  }
}

void Server::State::note_end() {
  if (shared.connection_count.load() > 0) return;
  const std::lock_guard lock(mutex);
  changed.notify_all();
}

void Server::State::drain() {
  acceptor->close();
  for (const auto& loop : loops) loop->drain();
}

void Server::State::wait_for_end(std::unique_lock<std::mutex>& lock) {
  changed.wait_until(lock, drain_until, [this] {
    return is_now || step != Step::Draining || shared.connection_count.load() == 0;
  });
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler,
                                              const base::Clock& clock, base::Telemetry telemetry) {
  TRY(check(options));
  auto state = std::make_unique<State>(std::move(options), std::move(handler), clock, telemetry);
  if (state->shared.options.tls) state->shared.tls = TRY(Tls::open(*state->shared.options.tls));
  state->acceptor = TRY(Acceptor::open(state->shared, state->loops));
  for (const auto& loop : state->loops) loop->run();
  state->acceptor->start();
  std::unique_ptr<Server> server(new Server(std::move(state)));
  events::listening(telemetry, server->address());
  return server;
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
  stop(Drain::Now);
}

std::uint16_t Server::port() const {
  return state_->acceptor->port();
}

std::string Server::address() const {
  return format_endpoint(state_->shared.options.host, port());
}

void Server::stop(Drain drain) {
  using Step = State::Step;
  auto& state = *state_;
  for (const auto& loop : state.loops) CHECK(!loop->is_this_thread());

  std::unique_lock lock(state.mutex);
  if (drain == Drain::Now) {
    state.is_now = true;
    state.changed.notify_all();
  }
  if (state.step != Step::Serving) {
    state.changed.wait(lock, [&] { return state.step == Step::Stopped; });
    return;
  }
  state.step = Step::Draining;
  state.drain_until = std::chrono::steady_clock::now() + state.shared.options.deadlines.drain;
  lock.unlock();
  state.drain();
  lock.lock();
  state.wait_for_end(lock);
  state.step = Step::Closing;
  lock.unlock();
  const auto cut_count = state.shared.connection_count.load();
  for (const auto& loop : state.loops) loop->close_all();
  events::stopped(state.shared.telemetry, address(), cut_count);
  lock.lock();
  state.step = Step::Stopped;
  state.changed.notify_all();
}

}  // namespace millrace::http
