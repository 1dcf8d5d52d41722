#include "http/connection.hpp"

namespace millrace::http {
namespace {

constexpr std::chrono::seconds kLinger{5};
constexpr std::chrono::seconds kLingerDraining{1};

}  // namespace

Connection::Connection(Loop& loop, Socket socket, std::string peer)
    : loop_(loop), socket_(std::move(socket)), peer_(std::move(peer)), timer_(loop.io()) {}

void Connection::flush() {
  while (!is_closed_ && !is_waiting_write_ && !out_.is_empty()) {
    boost::system::error_code error;
    const auto count = socket_.write_some(out_, error);
    if (error == boost::asio::error::would_block) {
      last_sent_ = now();
      return wait_writable();
    }
    if (error) return close();
    out_.remove_front(count);
    loop_.counts().sent(count);
    on_sent(count);
  }
}

void Connection::wait_writable() {
  is_waiting_write_ = true;
  socket_.async_wait_write([self = shared_from_this()](const Socket::ErrorCode& error) {
    self->is_waiting_write_ = false;
    if (self->is_closed_) return;
    if (error) return self->close();
    self->proceed();
  });
}

void Connection::begin_linger() {
  if (has_eof_) return close();
  boost::system::error_code error;
  socket_.end_sending(error);
  if (error) return close();
  ending_ = Ending::Lingering;
  linger_until_ = now() + linger();
}

std::chrono::seconds Connection::linger() const {
  return loop_.is_draining() ? kLingerDraining : kLinger;
}

void Connection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  timer_.cancel(ignored);
  socket_.close();
  on_close();
  loop_.remove(self);
}

void Connection::hand_over(const std::shared_ptr<Connection>& next) {
  is_closed_ = true;
  boost::system::error_code ignored;
  timer_.cancel(ignored);
  loop_.replace(shared_from_this(), next);
}

Response Connection::stopping_answer() {
  auto stopping = problem(503, "stopping", "the server stops; the request was not begun");
  stopping.headers.add("Retry-After", "5");
  return stopping;
}

void Connection::wait_readable() {
  is_waiting_read_ = true;
  socket_.async_wait_read([self = shared_from_this()](const Socket::ErrorCode& error) {
    self->is_waiting_read_ = false;
    if (self->is_closed_) return;
    if (error) return self->close();
    self->on_readable();
  });
}

void Connection::on_readable() {
  const auto scratch = loop_.scratch().first(read_bytes_max());
  boost::system::error_code error;
  const auto count = socket_.read_some(scratch, error);
  if (error == boost::asio::error::would_block) return proceed();
  if (error == boost::asio::error::eof) {
    has_eof_ = true;
    return ending_ == Ending::Lingering ? close() : on_eof();
  }
  if (error) return close();
  loop_.counts().received(count);
  if (ending_ != Ending::No) return discard(count);
  on_input({scratch.data(), count});
}

void Connection::discard(std::size_t byte_count) {
  lingered_bytes_ += byte_count;
  if (lingered_bytes_ > kLingerBytesMax) return close();
  proceed();
}

bool Connection::is_stalled() const {
  return is_waiting_write_ && now() >= last_sent_ + loop_.options().deadlines.write_stall;
}

base::SteadyTime Connection::deadline() const {
  if (ending_ == Ending::Lingering) return linger_until_;
  const auto stall_at = is_waiting_write_ ? last_sent_ + loop_.options().deadlines.write_stall
                                          : base::SteadyTime::max();
  return ending_ == Ending::No ? std::min(stall_at, client_deadline()) : stall_at;
}

// The timer is not moved when a deadline moves away: it fires, looks and is set anew. So a busy
// connection sets it rarely.
void Connection::arm_timer() {
  const auto at = deadline();
  if (at >= timer_at_) return;
  timer_at_ = at;
  timer_.expires_at(at);
  timer_.async_wait([self = shared_from_this()](const auto& error) {
    if (!error && !self->is_closed_) self->on_timer();
  });
}

void Connection::on_timer() {
  timer_at_ = base::SteadyTime::max();
  if (now() < deadline()) return arm_timer();
  if (is_stalled() || ending_ != Ending::No) return close();
  on_deadline();
}

}  // namespace millrace::http
