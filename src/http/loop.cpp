#include "http/loop.hpp"

#include <boost/asio/post.hpp>

#include "http/http1_connection.hpp"
#include "http/response_head.hpp"

namespace millrace::http {
namespace {

constexpr std::size_t kScratchBytes = 128_KiB;

}  // namespace

Loop::Loop(ServerShared& shared)
    : shared_(shared),
      work_(boost::asio::make_work_guard(io_)),
      counts_(shared.telemetry),
      scratch_(kScratchBytes) {}

Loop::~Loop() {
  close_all();
}

void Loop::run() {
  thread_ = std::jthread([this] { io_.run(); });
  thread_id_ = thread_.get_id();
}

void Loop::add(boost::asio::ip::tcp::socket socket, Admission admission) {
  boost::asio::post(io_, [this, socket = std::move(socket), admission]() mutable {
    auto connection =
        std::make_shared<Http1Connection>(*this, Socket(std::move(socket), shared_.tls));
    connections_.insert(connection);
    counts_.connected();
    connection->start(admission);
  });
}

void Loop::drain() {
  boost::asio::post(io_, [this] {
    is_draining_ = true;
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const auto& connection : all) connection->drain();
  });
}

void Loop::close_all() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] {
    is_draining_ = true;
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const auto& connection : all) connection->close();
    work_.reset();
  });
  thread_.join();
}

std::string_view Loop::date() {
  const auto second = std::chrono::floor<std::chrono::seconds>(shared_.clock.now());
  if (date_.empty() || second != date_second_) {
    date_second_ = second;
    date_ = format_http_date(second);
  }
  return date_;
}

void Loop::replace(const std::shared_ptr<Connection>& old, std::shared_ptr<Connection> by) {
  connections_.erase(old);
  connections_.insert(std::move(by));
}

void Loop::remove(const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection);
  counts_.disconnected();
  shared_.connection_count.fetch_sub(1);
  shared_.on_connection_end();
}

}  // namespace millrace::http
