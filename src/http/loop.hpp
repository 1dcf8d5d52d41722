#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/clock.hpp"
#include "http/events.hpp"
#include "http/server.hpp"
#include "http/tls.hpp"

namespace millrace::http {

class Connection;

/// What all threads of a server share.
struct ServerShared {
  const ServerOptions options;
  const Handler handler;
  const base::Clock& clock;
  const base::Telemetry telemetry;
  /// Called when a connection is gone, on its thread.
  const std::function<void()> on_connection_end;
  const std::shared_ptr<BodyBudget> budget = std::make_shared<BodyBudget>(options.bodies_bytes_max);
  std::shared_ptr<const Tls> tls = nullptr;  ///< set before the server starts; null: none
  std::atomic<std::size_t> connection_count = 0;
};

enum class Admission : std::uint8_t { Serve, TooMany };

/// One thread of the server and the connections that stay with it.
/// Threads: `add`, `drain`, `close_all` any; the rest its own.
class Loop {
 public:
  explicit Loop(ServerShared& shared);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// Closes all connections and waits for the thread.
  ~Loop();

  void run();
  boost::asio::io_context& io() { return io_; }
  bool is_this_thread() const { return std::this_thread::get_id() == thread_id_; }

  /// Takes over a connection that `connection_count` has counted.
  void add(boost::asio::ip::tcp::socket socket, Admission admission);
  /// Ends what is idle now, the rest after its answers.
  void drain();
  /// Ends all connections, and the thread; waits for it.
  void close_all();

  // For connections.
  ServerShared& shared() { return shared_; }
  const ServerOptions& options() const { return shared_.options; }
  events::TrafficCounts& counts() { return counts_; }
  bool is_draining() const { return is_draining_; }
  std::span<char> scratch() { return scratch_; }
  /// The Date of an answer that is given now.
  std::string_view date();
  void replace(const std::shared_ptr<Connection>& old, std::shared_ptr<Connection> by);
  void remove(const std::shared_ptr<Connection>& connection);

 private:
  ServerShared& shared_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  events::TrafficCounts counts_;
  std::vector<char> scratch_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  bool is_draining_ = false;
  base::Time date_second_{};
  std::string date_;
  std::jthread thread_;
  std::thread::id thread_id_;
};

}  // namespace millrace::http
