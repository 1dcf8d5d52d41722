#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "http/connection.hpp"
#include "http/http2_head.hpp"
#include "http/out_queue.hpp"
#include "http/reply.hpp"
#include "http/request_body.hpp"

namespace millrace::http {

class Http2Connection;

/// One request of an HTTP/2 connection, and the answer to it. The connection works on it.
/// Threads: the connection's, but for `post`.
struct Http2Stream final : ReplyReceiver {
  enum class Phase : std::uint8_t {
    Head,       ///< its header fields are coming
    Body,       ///< its body is coming
    Ready,      ///< it is complete and waits to be begun
    Answering,  ///< it was begun, or refused
  };

  Http2Stream(Http2Connection& its_connection, std::int32_t its_id, base::SteadyTime now,
              const RequestLimits& limits)
      : connection(its_connection), id(its_id), head(limits), since(now) {}

  void post(std::function<void()> job) override;
  void on_reply() override;
  /// True if it was refused, has its answer, and is still sending.
  bool is_lingering() const {
    return phase == Phase::Answering && has_all && unsent.is_empty() && !is_whole;
  }

  Http2Connection& connection;
  const std::int32_t id;
  Phase phase = Phase::Head;

  // The request.
  Http2Head head;
  std::optional<RequestBody> body;
  std::string method;
  base::SteadyTime since;            ///< when its head, and then its body, began
  std::uint64_t held_bytes = 0;      ///< of the body, in memory
  std::size_t uncredited_bytes = 0;  ///< came, and were not given back to the client's window
  bool is_receiving = false;         ///< it is the client's turn to send more of the body
  bool is_whole = false;             ///< the client has sent all of it
  std::size_t discarded_bytes = 0;   ///< came after it was refused

  // The answer.
  std::shared_ptr<Reply> reply;  ///< null: not begun, or all was handed over
  int status = 0;
  base::SteadyTime request_at;
  OutQueue unsent;
  base::SteadyTime moved_at;  ///< when some of `unsent` was last taken by the client
  bool is_answer = false;     ///< not started, but given as one
  bool is_deferred = false;   ///< nghttp2 waits to be told that there is more
  bool has_all = false;       ///< no more comes behind `unsent`
};

}  // namespace millrace::http
