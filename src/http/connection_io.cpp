// How a connection waits: for its socket, and for its deadlines.
#include "http/connection.hpp"

namespace millrace::http {
namespace {

using State = RequestReader::State;
using boost::asio::ip::tcp;

// Of requests that came before the one at hand was answered.
constexpr std::size_t kAheadBytesMax = 16_KiB;
// A refused client may still be sending; a connection that is closed then would take the answer
// away from it. So long and so much is thrown away first.
constexpr std::chrono::seconds kLinger{5};
constexpr std::chrono::seconds kLingerDraining{1};
constexpr std::size_t kLingerBytesMax = 64_MiB;

base::SteadyTime now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

void Connection::flush() {
  while (!is_closed_ && !is_waiting_write_ && !out_.is_empty()) {
    boost::system::error_code error;
    const auto count = socket_.write_some(out_.front_buffers(), error);
    if (error == boost::asio::error::would_block) {
      last_sent_ = now();
      return wait_writable();
    }
    if (error) return close();
    out_.remove_front(count);
    loop_.counts().sent(count);
    if (reply_ != nullptr) reply_->sent(count);
  }
}

void Connection::wait_writable() {
  is_waiting_write_ = true;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const auto& error) {
    self->is_waiting_write_ = false;
    if (self->is_closed_) return;
    if (error) return self->close();
    self->advance(self->kept_input());
  });
}

void Connection::end_if_done() {
  if (!out_.is_empty() || reply_ != nullptr) return;
  if (has_eof_ && ending_ == Ending::No) {
    if (reader_.state() != State::Head && reader_.state() != State::Body) return close();
    refuse(problem(400, "truncated", "the request is cut off"));
    flush();
    if (is_closed_ || !out_.is_empty()) return;
  }
  if (ending_ == Ending::Close) return close();
  if (ending_ == Ending::Linger) begin_linger();
}

void Connection::begin_linger() {
  if (has_eof_) return close();
  boost::system::error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  ending_ = Ending::Lingering;
  linger_until_ = now() + (loop_.is_draining() ? kLingerDraining : kLinger);
}

void Connection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  timer_.cancel(ignored);
  socket_.close(ignored);
  if (reply_ != nullptr) end_request(0);
  loop_.remove(self);
}

bool Connection::wants_read() const {
  if (has_eof_ || is_waiting_read_) return false;
  if (ending_ != Ending::No) return ending_ == Ending::Lingering;
  return reply_ != nullptr ? kept_input().size() < kAheadBytesMax
                           : out_.byte_count() < kOutBytesMax;
}

void Connection::wait_readable() {
  is_waiting_read_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const auto& error) {
    self->is_waiting_read_ = false;
    if (self->is_closed_) return;
    if (error) return self->close();
    self->on_readable();
  });
}

void Connection::on_readable() {
  auto scratch = loop_.scratch();
  if (reply_ != nullptr) scratch = scratch.first(kAheadBytesMax);
  boost::system::error_code error;
  const auto count =
      socket_.read_some(boost::asio::mutable_buffer(scratch.data(), scratch.size()), error);
  if (error == boost::asio::error::would_block) return advance(kept_input());
  if (error == boost::asio::error::eof) return on_eof();
  if (error) return close();
  loop_.counts().received(count);
  if (ending_ != Ending::No) return discard(count);
  if (in_.empty()) return advance({scratch.data(), count});
  in_.erase(0, in_begin_);
  in_begin_ = 0;
  in_.append(scratch.data(), count);
  advance(in_);
}

void Connection::on_eof() {
  has_eof_ = true;
  if (ending_ == Ending::Lingering) return close();
  if (reply_ != nullptr) reply_->half_closed();
  advance(kept_input());
}

void Connection::discard(std::size_t byte_count) {
  lingered_bytes_ += byte_count;
  if (lingered_bytes_ > kLingerBytesMax) return close();
  advance({});
}

base::SteadyTime Connection::deadline() const {
  const auto& deadlines = loop_.options().deadlines;
  if (ending_ == Ending::Lingering) return linger_until_;
  const auto stall_at =
      is_waiting_write_ ? last_sent_ + deadlines.write_stall : base::SteadyTime::max();
  if (reply_ != nullptr || ending_ != Ending::No || has_eof_) return stall_at;
  switch (reader_.state()) {
    case State::Empty:
      return std::min(stall_at, state_since_ + deadlines.idle);
    case State::Head:
      return std::min(stall_at, state_since_ + deadlines.header);
    case State::Body: {
      const std::chrono::duration<double> earned(
          static_cast<double>(reader_.body_bytes_sent()) /
          static_cast<double>(deadlines.body_bytes_per_second_min));
      const auto slow_at = state_since_ + deadlines.body_grace +
                           std::chrono::duration_cast<base::SteadyTime::duration>(earned);
      return std::min({stall_at, slow_at, state_since_ + deadlines.body});
    }
    case State::Complete:
    case State::Refused:
      break;
  }
  return stall_at;
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
  on_deadline();
}

void Connection::on_deadline() {
  const bool is_stalled =
      is_waiting_write_ && now() >= last_sent_ + loop_.options().deadlines.write_stall;
  const bool is_receiving = reader_.state() == State::Head || reader_.state() == State::Body;
  if (is_stalled || ending_ != Ending::No || !is_receiving) return close();
  refuse(problem(408, "too_slow",
                 reader_.state() == State::Head ? "the head of the request came too slowly"
                                                : "the body came too slowly"));
  advance({});
}

}  // namespace millrace::http
