// What a connection of HTTP/2 does with sessions, deadlines and its end.
#include "http/http2_connection.hpp"

#include <nghttp2/nghttp2.h>

#include <boost/asio/post.hpp>

#include "http/http2_frames.hpp"

namespace millrace::http {

using Phase = Http2Stream::Phase;

Http2Connection::Http2Connection(Loop& loop, Socket socket, std::string peer)
    : Connection(loop, std::move(socket), std::move(peer)), idle_since_(now()) {}

Http2Connection::~Http2Connection() {
  nghttp2_session_del(session_);
}

void Http2Connection::begin(std::string_view input, Admission admission) {
  session_ = Http2Frames::open(*this);
  if (session_ == nullptr) return close();
  if (admission == Admission::TooMany) terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  on_input(input);
  if (!is_closed_ && loop_.is_draining()) drain();
}

void Http2Connection::post(std::function<void()> job) {
  boost::asio::post(loop_.io(), std::move(job));
}

// Replies that come close together go out together.
void Http2Connection::on_reply(Http2Stream& stream) {
  take_reply(stream);
  if (is_proceeding_soon_) return;
  is_proceeding_soon_ = true;
  post([self = std::static_pointer_cast<Http2Connection>(shared_from_this())] {
    self->is_proceeding_soon_ = false;
    self->proceed();
  });
}

void Http2Connection::on_input(std::string_view bytes) {
  const auto used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {
    // It goes on without the session: there is no telling what state that is in.
    loop_.counts().ended(peer_, nghttp2_strerror(static_cast<int>(used)));
    return close();
  }
  proceed();
}

void Http2Connection::proceed() {
  if (is_closed_) return;
  if (ending_ == Ending::No) {
    // What was sent makes room for further frames, what was framed for further requests.
    bool has_moved = true;
    while (has_moved && !is_closed_) {
      start_ready();
      credit_all();
      has_moved = fill_out();
      const auto unsent = out_.byte_count();
      flush();
      has_moved = has_moved || out_.byte_count() < unsent;
    }
  } else {
    flush();
  }
  if (is_closed_) return;
  if (ending_ == Ending::No && nghttp2_session_want_read(session_) == 0 &&
      nghttp2_session_want_write(session_) == 0) {
    ending_ = Ending::Linger;
    drop_streams();
  }
  if (ending_ == Ending::Linger && out_.is_empty()) begin_linger();
  if (is_closed_) return;
  const bool has_room = ending_ == Ending::No && out_.byte_count() < kOutBytesMax;
  if (!is_waiting_read_ && (has_room || ending_ == Ending::Lingering)) wait_readable();
  arm_timer();
}

// Takes frames from nghttp2 while there is room. True if there were any.
bool Http2Connection::fill_out() {
  bool has_any = false;
  while (out_.byte_count() < kOutBytesMax) {
    const std::uint8_t* bytes = nullptr;
    const auto count = nghttp2_session_mem_send(session_, &bytes);
    if (count < 0) {
      loop_.counts().ended(peer_, nghttp2_strerror(static_cast<int>(count)));
      close();
      return false;
    }
    if (count == 0) break;
    out_.tail().append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
    out_.added(static_cast<std::size_t>(count));
    has_any = true;
  }
  return has_any;
}

void Http2Connection::drain() {
  if (is_terminated_ || ending_ != Ending::No) return;
  nghttp2_submit_goaway(session_, 0, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  for (const auto& [id, stream] : streams_) {
    if (stream->phase == Phase::Body || stream->phase == Phase::Ready) {
      refuse(*stream, stopping_answer());
    }
  }
  proceed();
}

// Ends the session with a word to the client; what it still sends is not looked at.
void Http2Connection::terminate(std::uint32_t error_code) {
  if (is_terminated_) return;
  is_terminated_ = true;
  nghttp2_session_terminate_session(session_, error_code);
}

void Http2Connection::note(FloodGuard::Kind kind) {
  if (!guard_.bears(kind, now())) terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Connection::on_ended(std::uint32_t error_code) {
  if (error_code == NGHTTP2_NO_ERROR) return;
  is_terminated_ = true;
  loop_.counts().ended(peer_, nghttp2_http2_strerror(error_code));
}

void Http2Connection::on_close() {
  drop_streams();
}

void Http2Connection::drop_streams() {
  for (const auto& [id, stream] : streams_) {
    if (stream->reply != nullptr) end_request(*stream, 0);
  }
  ready_.clear();
  // nghttp2 may still point at the streams, but is not asked for anything any more.
  streams_.clear();
}

base::SteadyTime Http2Connection::bodies_deadline() const {
  if (receiving_count_ == 0) return base::SteadyTime::max();
  const auto& deadlines = loop_.options().deadlines;
  const std::chrono::duration<double> earned(
      static_cast<double>(bodies_bytes_) /
      static_cast<double>(deadlines.body_bytes_per_second_min));
  return bodies_since_ + deadlines.body_grace +
         std::chrono::duration_cast<base::SteadyTime::duration>(earned);
}

base::SteadyTime Http2Connection::deadline_of(const Http2Stream& stream) const {
  const auto& deadlines = loop_.options().deadlines;
  switch (stream.phase) {
    case Phase::Head:
      return stream.since + deadlines.header;
    case Phase::Body:
      if (stream.is_receiving) return stream.since + deadlines.body;
      break;
    case Phase::Ready:
      break;
    case Phase::Answering:
      if (stream.is_lingering()) return stream.moved_at + linger();
      if (!stream.unsent.is_empty()) return stream.moved_at + deadlines.write_stall;
      break;
  }
  return base::SteadyTime::max();
}

base::SteadyTime Http2Connection::client_deadline() const {
  const auto& deadlines = loop_.options().deadlines;
  if (!has_settings_) return idle_since_ + deadlines.header;
  if (streams_.empty()) return idle_since_ + deadlines.idle;
  auto at = bodies_deadline();
  for (const auto& [id, stream] : streams_) at = std::min(at, deadline_of(*stream));
  return at;
}

void Http2Connection::on_deadline() {
  if (is_terminated_) return close();
  const bool is_slow = now() >= bodies_deadline();
  if (streams_.empty()) terminate(NGHTTP2_NO_ERROR);
  for (const auto& [id, stream] : streams_) {
    const bool is_late = now() >= deadline_of(*stream);
    if (stream->phase == Phase::Head && is_late) {
      terminate(NGHTTP2_ENHANCE_YOUR_CALM);  // No frame of another stream can come before its end.
    } else if (stream->phase == Phase::Body && (is_late || (is_slow && stream->is_receiving))) {
      refuse(*stream, problem(408, "too_slow", "the body came too slowly"));
    } else if (stream->phase == Phase::Answering && is_late) {
      reset(*stream, stream->is_lingering() ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    }
  }
  proceed();
}

}  // namespace millrace::http
