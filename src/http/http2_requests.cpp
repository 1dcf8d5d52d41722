// What a connection of HTTP/2 does with requests and their answers.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "http/http2_connection.hpp"
#include "http/http2_frames.hpp"
#include "http/response_head.hpp"

namespace millrace::http {
namespace {

using Phase = Http2Stream::Phase;

// Of the bodies that one connection has in memory; then only the oldest that is incomplete grows.
constexpr std::uint64_t kHeldBytesMax = 16_MiB;
// Of unsent answers that were given as one; then no further request is begun.
constexpr std::uint64_t kAnswerBytesMax = 4_MiB;
constexpr std::uint64_t kUnsentBytesMin = 64_KiB;

}  // namespace

void Http2Connection::on_head_begin(std::int32_t id) {
  streams_.emplace(id, std::make_unique<Http2Stream>(*this, id, now(), loop_.options().limits));
}

void Http2Connection::on_head(Http2Stream& stream) {
  auto refusal = stream.head.finish(loop_.options());
  stream.method = stream.head.method();
  if (refusal) return refuse(stream, std::move(*refusal));
  if (loop_.is_draining()) return refuse(stream, stopping_answer());
  const auto encoding = encoding_of(stream.head.value("content-encoding"));
  stream.body.emplace(loop_.options().limits, loop_.shared().budget, *encoding,
                      stream.head.body_bytes());
  stream.phase = Phase::Body;
  stream.since = now();
  set_receiving(stream, true);
}

void Http2Connection::on_body(Http2Stream& stream, std::string_view bytes) {
  if (stream.phase != Phase::Body) {
    nghttp2_session_consume_stream(session_, stream.id, bytes.size());
    stream.discarded_bytes += bytes.size();
    if (stream.discarded_bytes > kLingerBytesMax) reset(stream, NGHTTP2_NO_ERROR);
    return;
  }
  stream.uncredited_bytes += bytes.size();
  bodies_bytes_ += bytes.size();
  if (auto refusal = stream.body->add(bytes)) return refuse(stream, std::move(*refusal));
  hold(stream, stream.body->held_bytes());
  credit(stream);
}

void Http2Connection::on_request_end(Http2Stream& stream) {
  stream.is_whole = true;
  if (stream.phase != Phase::Body) return;
  set_receiving(stream, false);
  if (auto refusal = stream.body->finish()) return refuse(stream, std::move(*refusal));
  hold(stream, stream.body->held_bytes());
  stream.phase = Phase::Ready;
  ready_.push_back(stream.id);
}

void Http2Connection::on_stream_end(Http2Stream& stream) {
  set_receiving(stream, false);
  hold(stream, 0);
  if (stream.is_answer) unsent_answer_bytes_ -= stream.unsent.byte_count();
  if (stream.reply != nullptr) end_request(stream, 0);
  if (stream.phase == Phase::Ready) std::erase(ready_, stream.id);
  streams_.erase(stream.id);
  if (streams_.empty()) idle_since_ = now();
}

void Http2Connection::start_ready() {
  while (!ready_.empty() && !is_terminated_ && unsent_answer_bytes_ < kAnswerBytesMax) {
    const auto id = ready_.front();
    ready_.pop_front();
    dispatch(*streams_.at(id));
  }
}

void Http2Connection::dispatch(Http2Stream& stream) {
  stream.phase = Phase::Answering;
  auto request = stream.head.take();
  request.body_bytes_sent = stream.body->bytes_sent();
  request.body = stream.body->take_bytes();
  request.peer = peer_;
  auto lease = stream.body->take_lease();
  stream.body.reset();
  stream.request_at = loop_.shared().clock.steady_now();
  stream.reply = std::make_shared<Reply>(
      stream, Reply::Options{.is_bodiless = stream.method == "HEAD",
                             .is_chunked = false,
                             .unsent_bytes_max = stream_unsent_bytes_max()});
  loop_.shared().handler(
      std::make_shared<Exchange>(std::move(request), stream.reply, std::move(lease)));
  take_reply(stream);
}

// A stream that is alone may have as much unsent as a connection of HTTP/1.1, the second half of
// it, the third a third: many do not have much more together.
std::uint64_t Http2Connection::stream_unsent_bytes_max() const {
  const auto max = loop_.options().unsent_bytes_max;
  return std::min(max, std::max(kUnsentBytesMin, max / streams_.size()));
}

void Http2Connection::refuse(Http2Stream& stream, Response refusal) {
  loop_.counts().refused(peer_, stream.method, refusal.status, refusal.body);
  if (stream.phase == Phase::Ready) std::erase(ready_, stream.id);
  set_receiving(stream, false);
  hold(stream, 0);
  stream.body.reset();
  nghttp2_session_consume_stream(session_, stream.id, std::exchange(stream.uncredited_bytes, 0));
  stream.phase = Phase::Answering;
  give_answer(stream, std::move(refusal));
  stream.has_all = true;
}

void Http2Connection::hold(Http2Stream& stream, std::uint64_t byte_count) {
  held_bytes_ += byte_count - stream.held_bytes;
  stream.held_bytes = byte_count;
}

void Http2Connection::set_receiving(Http2Stream& stream, bool is_receiving) {
  if (stream.is_receiving == is_receiving) return;
  stream.is_receiving = is_receiving;
  if (!is_receiving) {
    --receiving_count_;
  } else if (receiving_count_++ == 0) {
    bodies_since_ = now();
    bodies_bytes_ = 0;
  }
}

// The oldest may always go on, so that some request gets complete and makes room.
bool Http2Connection::may_credit(const Http2Stream& stream) const {
  if (held_bytes_ < kHeldBytesMax) return true;
  const auto oldest = std::ranges::find_if(
      streams_, [](const auto& entry) { return entry.second->phase == Phase::Body; });
  return oldest->first == stream.id;
}

// Gives the client its window back for what was taken, or lets it wait.
void Http2Connection::credit(Http2Stream& stream) {
  if (may_credit(stream)) {
    nghttp2_session_consume_stream(session_, stream.id, stream.uncredited_bytes);
    stream.uncredited_bytes = 0;
    if (stream.is_receiving) return;
    stream.since = now();
    return set_receiving(stream, true);
  }
  is_credit_due_ = true;
  if (stream.uncredited_bytes >= Http2Frames::kStreamWindowBytes) set_receiving(stream, false);
}

void Http2Connection::credit_all() {
  if (!is_credit_due_) return;
  is_credit_due_ = false;
  for (const auto& [id, stream] : streams_) {
    if (stream->phase == Phase::Body && stream->uncredited_bytes > 0) credit(*stream);
  }
}

void Http2Connection::take_reply(Http2Stream& stream) {
  auto given = stream.reply->take();
  const bool was_empty = stream.unsent.is_empty();
  if (given.answer) give_answer(stream, std::move(*given.answer));
  if (given.start) {
    stream.status = given.start->status;
    // Also if there is no body, the answer ends when its writer says so.
    submit_head(stream, given.start->headers, std::nullopt, true);
  }
  for (auto& piece : given.pieces) {
    if (is_bodiless(stream.status)) {
      stream.reply->sent(piece.size());
    } else {
      stream.unsent.push(std::move(piece));
    }
  }
  if (given.is_aborted) {
    reset(stream, NGHTTP2_INTERNAL_ERROR);
    return end_request(stream, 0);
  }
  stream.has_all = given.is_complete;
  if (was_empty && !stream.unsent.is_empty()) stream.moved_at = now();
  if (stream.is_deferred && (stream.has_all || !stream.unsent.is_empty())) {
    stream.is_deferred = false;
    nghttp2_session_resume_data(session_, stream.id);
  }
  if (stream.has_all) end_request(stream, stream.status);
}

void Http2Connection::give_answer(Http2Stream& stream, Response answer) {
  stream.status = answer.status;
  stream.is_answer = true;
  stream.moved_at = now();
  const bool has_body =
      stream.method != "HEAD" && !is_bodiless(answer.status) && !answer.body.empty();
  submit_head(stream, answer.headers, answer.body.size(), has_body);
  if (!has_body) return;
  unsent_answer_bytes_ += answer.body.size();
  stream.unsent.push(std::move(answer.body));
}

void Http2Connection::submit_head(Http2Stream& stream, const Headers& headers,
                                  std::optional<std::uint64_t> length, bool has_body) {
  const auto fields = http2_fields(
      stream.status, headers, {.version = Version::Http2, .length = length, .date = loop_.date()});
  if (!Http2Frames::submit_response(session_, stream, fields, has_body)) {
    reset(stream, NGHTTP2_INTERNAL_ERROR);
  }
}

std::size_t Http2Connection::take_unsent(Http2Stream& stream, std::span<std::uint8_t> into) {
  std::size_t count = 0;
  for (const auto& piece : stream.unsent.front_buffers()) {
    const auto part = std::min(piece.size(), into.size() - count);
    std::memcpy(into.data() + count, piece.data(), part);
    count += part;
    if (count == into.size()) break;
  }
  if (count == 0) return 0;
  stream.unsent.remove_front(count);
  stream.moved_at = now();
  if (stream.is_answer) unsent_answer_bytes_ -= count;
  if (stream.reply != nullptr) stream.reply->sent(count);
  return count;
}

void Http2Connection::reset(Http2Stream& stream, std::uint32_t error_code) {
  nghttp2_submit_rst_stream(session_, 0, stream.id, error_code);
}

void Http2Connection::end_request(Http2Stream& stream, int status) {
  const std::chrono::duration<double> seconds =
      loop_.shared().clock.steady_now() - stream.request_at;
  loop_.counts().answered({.route = stream.reply->take_route(),
                           .method = stream.method,
                           .status = status,
                           .seconds = seconds.count()});
  stream.reply->detach();
  stream.reply.reset();
}

}  // namespace millrace::http
