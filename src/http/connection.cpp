#include "http/connection.hpp"

#include <boost/asio/post.hpp>

#include "http/url.hpp"

namespace millrace::http {
namespace {

using State = RequestReader::State;

}  // namespace

Connection::Connection(Loop& loop, boost::asio::ip::tcp::socket socket)
    : loop_(loop),
      socket_(std::move(socket)),
      timer_(loop.io()),
      reader_(loop.options(), loop.shared().budget) {}

void Connection::start(Admission admission) {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  if (error || loop_.is_draining()) return close();
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), error);
  socket_.set_option(boost::asio::socket_base::keep_alive(true), error);
  const auto peer = socket_.remote_endpoint(error);
  if (error) return close();
  peer_ = format_endpoint(peer.address().to_string(), peer.port());
  state_since_ = std::chrono::steady_clock::now();
  if (admission == Admission::TooMany) {
    auto busy =
        problem(503, "too_many_connections", "as many connections as allowed are open; come again");
    busy.headers.add("Retry-After", "1");
    refuse(std::move(busy));
  }
  advance({});
}

void Connection::drain() {
  if (reply_ != nullptr || ending_ != Ending::No) return;
  if (reader_.state() != State::Empty) {
    auto stopping = problem(503, "stopping", "the server stops; the request was not begun");
    stopping.headers.add("Retry-After", "5");
    refuse(std::move(stopping));
  } else {
    ending_ = Ending::Close;
  }
  advance(kept_input());
}

// Takes and answers requests as far as `input` and the room for answers allow, then sees to what
// the connection waits for. What is left of `input` is kept.
void Connection::advance(std::string_view input) {
  bool is_out_full = false;
  do {
    input = take_requests(input);
    is_out_full = out_.byte_count() >= kOutBytesMax;
    flush();
    // A full queue stopped the taking; if it is sent there may be more to take.
  } while (is_out_full && !is_closed_ && out_.byte_count() < kOutBytesMax);
  if (is_closed_) return;
  keep(input);
  end_if_done();
  if (is_closed_) return;
  if (wants_read()) wait_readable();
  arm_timer();
}

bool Connection::may_take_request() const {
  return !is_closed_ && reply_ == nullptr && ending_ == Ending::No &&
         out_.byte_count() < kOutBytesMax;
}

std::string_view Connection::take_requests(std::string_view input) {
  while (may_take_request() && !input.empty()) {
    if (reader_.state() == State::Empty && loop_.is_draining()) {
      ending_ = Ending::Close;
      break;
    }
    const auto used = reader_.read(input);
    input.remove_prefix(used);
    note_state();
    if (reader_.state() == State::Refused) {
      refuse(reader_.take_refusal());
    } else if (reader_.state() == State::Complete) {
      dispatch();
    } else {
      // It needs more input.
      const bool is_body_awaited = reader_.expects_continue() && reader_.body_bytes_sent() == 0;
      if (is_body_awaited && input.empty() && !has_sent_continue_) {
        has_sent_continue_ = true;
        out_.push("HTTP/1.1 100 Continue\r\n\r\n");
      }
      break;
    }
  }
  return input;
}

void Connection::note_state() {
  if (reader_.state() == noted_state_) return;
  noted_state_ = reader_.state();
  // A request that comes in one piece needs no deadline.
  if (noted_state_ == State::Head || noted_state_ == State::Body) {
    state_since_ = std::chrono::steady_clock::now();
  }
}

void Connection::dispatch() {
  auto taken = reader_.take();
  noted_state_ = State::Empty;
  has_sent_continue_ = false;
  is_keep_alive_ = reader_.is_keep_alive();
  method_ = taken.request.method;
  status_ = 0;
  request_at_ = loop_.shared().clock.steady_now();
  taken.request.peer = peer_;
  reply_ = std::make_shared<Reply>(
      *this, Reply::Options{.is_bodiless = method_ == "HEAD",
                            .is_chunked = reader_.version() == Version::Http11,
                            .unsent_bytes_max = loop_.options().unsent_bytes_max});
  loop_.shared().handler(
      std::make_shared<Exchange>(std::move(taken.request), reply_, std::move(taken.lease)));
  take_reply();
}

void Connection::post(std::function<void()> job) {
  boost::asio::post(loop_.io(), std::move(job));
}

void Connection::on_reply() {
  if (reply_ == nullptr) return;
  const auto self = shared_from_this();
  take_reply();
  advance(kept_input());
}

void Connection::take_reply() {
  auto given = reply_->take();
  if (given.answer) queue_answer(std::move(*given.answer));
  if (given.start) queue_start(*given.start);
  for (auto& piece : given.pieces) {
    if (is_bodiless(status_)) {
      reply_->sent(piece.size());
    } else {
      out_.push(std::move(piece));
    }
  }
  if (given.is_complete) return end_request(status_);
  if (!given.is_aborted) return;
  if (reader_.version() == Version::Http10) {
    // Without chunks only a reset connection tells an incomplete answer from a complete one.
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  }
  is_keep_alive_ = false;
  end_request(0);
}

void Connection::queue_answer(Response answer) {
  status_ = answer.status;
  const bool has_body = method_ != "HEAD" && !is_bodiless(status_);
  const auto before = out_.tail().size();
  append_head(out_.tail(), status_, answer.headers,
              {.version = reader_.version(),
               .is_keep_alive = decide_keep_alive(answer.headers),
               .length = answer.body.size(),
               .date = loop_.date()});
  out_.added(out_.tail().size() - before);
  if (has_body) out_.push(std::move(answer.body));
}

void Connection::queue_start(const Reply::Started& start) {
  status_ = start.status;
  if (reader_.version() == Version::Http10) is_keep_alive_ = false;
  std::string head;
  append_head(head, status_, start.headers,
              {.version = reader_.version(),
               .is_keep_alive = decide_keep_alive(start.headers),
               .date = loop_.date()});
  out_.push(std::move(head));
}

bool Connection::decide_keep_alive(const Headers& headers) {
  if (loop_.is_draining() || has_eof_ || headers.value("Connection") == "close") {
    is_keep_alive_ = false;
  }
  return is_keep_alive_;
}

void Connection::end_request(int status) {
  const std::chrono::duration<double> seconds = loop_.shared().clock.steady_now() - request_at_;
  loop_.counts().answered({.route = reply_->take_route(),
                           .method = method_,
                           .status = status,
                           .seconds = seconds.count()});
  reply_->detach();
  reply_.reset();
  state_since_ = std::chrono::steady_clock::now();
  if (!is_keep_alive_) ending_ = Ending::Close;
}

void Connection::refuse(Response refusal) {
  loop_.counts().refused(peer_, reader_.method(), refusal.status, refusal.body);
  std::string head;
  append_head(head, refusal.status, refusal.headers,
              {.version = Version::Http11,
               .is_keep_alive = false,
               .length = refusal.body.size(),
               .date = loop_.date()});
  out_.push(std::move(head));
  if (reader_.method() != "HEAD") out_.push(std::move(refusal.body));
  ending_ = Ending::Linger;
}

void Connection::keep(std::string_view input) {
  // It is a part of what is kept already, or of the scratch memory.
  if (ending_ != Ending::No || input.empty()) {
    in_begin_ = 0;
    if (in_.capacity() > kOutBytesMax) {
      in_ = {};
    } else {
      in_.clear();
    }
  } else if (in_.empty()) {
    in_.assign(input);
  } else {
    in_begin_ = in_.size() - input.size();
  }
}

}  // namespace millrace::http
