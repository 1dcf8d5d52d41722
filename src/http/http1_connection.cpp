#include "http/http1_connection.hpp"

#include <boost/asio/post.hpp>

#include "http/http2_connection.hpp"
#include "http/url.hpp"

namespace millrace::http {
namespace {

using State = RequestReader::State;

// Of requests that came before the one at hand was answered.
constexpr std::size_t kAheadBytesMax = 16_KiB;
// Of a client that is one too many: after it, it is told so in HTTP/1.
constexpr std::chrono::seconds kSilenceOfOneTooMany{1};

}  // namespace

Http1Connection::Http1Connection(Loop& loop, Socket socket)
    : Connection(loop, std::move(socket), ""), reader_(loop.options(), loop.shared().budget) {}

void Http1Connection::start(Admission admission) {
  boost::system::error_code error;
  auto& plain = socket_.plain();
  plain.non_blocking(true, error);
  if (error || loop_.is_draining()) return close();
  plain.set_option(boost::asio::ip::tcp::no_delay(true), error);
  plain.set_option(boost::asio::socket_base::keep_alive(true), error);
  const auto peer = plain.remote_endpoint(error);
  if (error) return close();
  const auto local = plain.local_endpoint(error);
  is_local_ = !error && (peer.address().is_loopback() || peer.address() == local.address());
  peer_ = format_endpoint(peer.address().to_string(), peer.port());
  state_since_ = now();
  admission_ = admission;
  advance({});
}

// Not before the client has shown what it speaks: TLS or not, HTTP/1 or 2.
bool Http1Connection::refuse_if_too_many() {
  if (admission_ == Admission::Serve || ending_ != Ending::No) return false;
  auto busy =
      problem(503, "too_many_connections", "as many connections as allowed are open; come again");
  busy.headers.add("Retry-After", "1");
  refuse(std::move(busy));
  return true;
}

void Http1Connection::drain() {
  if (reply_ != nullptr || ending_ != Ending::No) return;
  if (reader_.state() != State::Empty) {
    refuse(stopping_answer());
  } else {
    ending_ = Ending::Close;
  }
  advance(kept_input());
}

// Takes and answers requests as far as `input` and the room for answers allow, then sees to what
// the connection waits for. What is left of `input` is kept.
void Http1Connection::advance(std::string_view input) {
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

bool Http1Connection::may_take_request() const {
  return !is_closed_ && reply_ == nullptr && ending_ == Ending::No &&
         out_.byte_count() < kOutBytesMax;
}

// True if `input` is the beginning of HTTP/2; what is to be said further is then not said here.
bool Http1Connection::is_http2(std::string_view input) {
  if (!is_new_ || ending_ != Ending::No || input.empty()) return false;
  const auto known = input.substr(0, kHttp2Preface.size());
  if (!kHttp2Preface.starts_with(known)) {
    is_new_ = false;
    return false;
  }
  if (known.size() < kHttp2Preface.size()) return true;
  const auto next = std::make_shared<Http2Connection>(loop_, std::move(socket_), peer_);
  hand_over(next);
  next->begin(input, admission_);
  return true;
}

// Where there is TLS, only programs on the same machine (`millrace query`, say) may do without.
bool Http1Connection::lacks_tls() {
  if (is_local_ || !is_new_ || ending_ != Ending::No || !socket_.is_without_tls()) return false;
  refuse(problem(400, "tls_required", "this port speaks TLS: ask with https"));
  return true;
}

std::string_view Http1Connection::take_requests(std::string_view input) {
  if (lacks_tls()) return {};
  if (is_http2(input)) return input;
  if (!input.empty() && refuse_if_too_many()) return {};
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

void Http1Connection::note_state() {
  if (reader_.state() == noted_state_) return;
  noted_state_ = reader_.state();
  // A request that comes in one piece needs no deadline.
  if (noted_state_ == State::Head || noted_state_ == State::Body) {
    state_since_ = now();
  }
}

void Http1Connection::dispatch() {
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

void Http1Connection::post(std::function<void()> job) {
  boost::asio::post(loop_.io(), std::move(job));
}

void Http1Connection::on_reply() {
  if (reply_ == nullptr) return;
  const auto self = shared_from_this();
  take_reply();
  advance(kept_input());
}

void Http1Connection::take_reply() {
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
    socket_.plain().set_option(boost::asio::socket_base::linger(true, 0), ignored);
  }
  is_keep_alive_ = false;
  end_request(0);
}

void Http1Connection::queue_answer(Response answer) {
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

void Http1Connection::queue_start(const Reply::Started& start) {
  status_ = start.status;
  if (reader_.version() == Version::Http10) is_keep_alive_ = false;
  std::string head;
  append_head(head, status_, start.headers,
              {.version = reader_.version(),
               .is_keep_alive = decide_keep_alive(start.headers),
               .date = loop_.date()});
  out_.push(std::move(head));
}

bool Http1Connection::decide_keep_alive(const Headers& headers) {
  if (loop_.is_draining() || has_eof_ || headers.value("Connection") == "close") {
    is_keep_alive_ = false;
  }
  return is_keep_alive_;
}

void Http1Connection::end_request(int status) {
  const std::chrono::duration<double> seconds = loop_.shared().clock.steady_now() - request_at_;
  loop_.counts().answered({.route = reply_->take_route(),
                           .method = method_,
                           .status = status,
                           .seconds = seconds.count()});
  reply_->detach();
  reply_.reset();
  state_since_ = now();
  if (!is_keep_alive_ || loop_.is_draining()) ending_ = Ending::Close;
}

void Http1Connection::refuse(Response refusal) {
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

void Http1Connection::keep(std::string_view input) {
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

void Http1Connection::on_input(std::string_view bytes) {
  if (in_.empty()) return advance(bytes);
  in_.erase(0, in_begin_);
  in_begin_ = 0;
  in_.append(bytes);
  advance(in_);
}

void Http1Connection::on_eof() {
  if (reply_ != nullptr) reply_->half_closed();
  advance(kept_input());
}

void Http1Connection::on_sent(std::size_t byte_count) {
  if (reply_ != nullptr) reply_->sent(byte_count);
}

void Http1Connection::on_close() {
  if (reply_ != nullptr) end_request(0);
}

void Http1Connection::end_if_done() {
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

bool Http1Connection::wants_read() const {
  if (has_eof_ || is_waiting_read_) return false;
  if (ending_ != Ending::No) return ending_ == Ending::Lingering;
  return reply_ != nullptr ? kept_input().size() < kAheadBytesMax
                           : out_.byte_count() < kOutBytesMax;
}

std::size_t Http1Connection::read_bytes_max() const {
  return reply_ != nullptr ? kAheadBytesMax : loop_.scratch().size();
}

base::SteadyTime Http1Connection::client_deadline() const {
  if (reply_ != nullptr || has_eof_) return base::SteadyTime::max();
  const auto& deadlines = loop_.options().deadlines;
  switch (reader_.state()) {
    case State::Empty:
      if (admission_ == Admission::TooMany) return state_since_ + kSilenceOfOneTooMany;
      // What was kept is the first part of HTTP/2's preface.
      return state_since_ + (kept_input().empty() && !socket_.is_in_handshake() ? deadlines.idle
                                                                                : deadlines.header);
    case State::Head:
      return state_since_ + deadlines.header;
    case State::Body: {
      const std::chrono::duration<double> earned(
          static_cast<double>(reader_.body_bytes_sent()) /
          static_cast<double>(deadlines.body_bytes_per_second_min));
      const auto slow_at = state_since_ + deadlines.body_grace +
                           std::chrono::duration_cast<base::SteadyTime::duration>(earned);
      return std::min(slow_at, state_since_ + deadlines.body);
    }
    case State::Complete:
    case State::Refused:
      break;
  }
  return base::SteadyTime::max();
}

void Http1Connection::on_deadline() {
  const bool is_receiving = reader_.state() == State::Head || reader_.state() == State::Body;
  if (!is_receiving && (socket_.is_in_handshake() || !refuse_if_too_many())) return close();
  if (!is_receiving) return advance({});
  refuse(problem(408, "too_slow",
                 reader_.state() == State::Head ? "the head of the request came too slowly"
                                                : "the body came too slowly"));
  advance({});
}

}  // namespace millrace::http
