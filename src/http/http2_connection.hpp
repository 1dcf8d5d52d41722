#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/connection.hpp"
#include "http/flood_guard.hpp"
#include "http/http2_stream.hpp"

struct nghttp2_session;

namespace millrace::http {

/// What a client that speaks HTTP/2 sends first.
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that speaks HTTP/2: many requests at once, each a stream. nghttp2 knows the frames;
/// it is asked for more of them only while little is unsent, so that what waits stays where its
/// writer sees it. A client's windows grow as its bodies are taken.
/// Threads: its loop's.
/// Source  RFC 9113
class Http2Connection final : public Connection {
 public:
  Http2Connection(Loop& loop, Socket socket, std::string peer);
  ~Http2Connection() override;

  /// Begins with what came so far; one connection too many is told at once that none of its
  /// requests is done.
  void begin(std::string_view input, Admission admission);
  void drain() override;

  // For the streams.
  void post(std::function<void()> job);
  void on_reply(Http2Stream& stream);

 private:
  friend class Http2Frames;

  void proceed() override;
  void on_input(std::string_view bytes) override;
  void on_eof() override { close(); }
  void on_sent(std::size_t) override {}
  void on_close() override;
  base::SteadyTime client_deadline() const override;
  void on_deadline() override;

  // What nghttp2 tells, through Http2Frames. Within these nothing is read or sent.
  void on_head_begin(std::int32_t id);
  void on_head(Http2Stream& stream);
  void on_body(Http2Stream& stream, std::string_view bytes);
  void on_request_end(Http2Stream& stream);
  void on_stream_end(Http2Stream& stream);
  void on_ended(std::uint32_t error_code);
  std::size_t take_unsent(Http2Stream& stream, std::span<std::uint8_t> into);
  void note(FloodGuard::Kind kind);

  // Requests.
  void start_ready();
  void dispatch(Http2Stream& stream);
  void refuse(Http2Stream& stream, Response refusal);
  void hold(Http2Stream& stream, std::uint64_t byte_count);
  void set_receiving(Http2Stream& stream, bool is_receiving);
  bool may_credit(const Http2Stream& stream) const;
  void credit(Http2Stream& stream);
  void credit_all();

  // Answers.
  void take_reply(Http2Stream& stream);
  void give_answer(Http2Stream& stream, Response answer);
  void submit_head(Http2Stream& stream, const Headers& headers, std::optional<std::uint64_t> length,
                   bool has_body);
  void reset(Http2Stream& stream, std::uint32_t error_code);
  void end_request(Http2Stream& stream, int status);
  std::uint64_t stream_unsent_bytes_max() const;

  bool fill_out();
  void terminate(std::uint32_t error_code);
  void drop_streams();
  base::SteadyTime bodies_deadline() const;
  base::SteadyTime deadline_of(const Http2Stream& stream) const;

  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::unique_ptr<Http2Stream>> streams_;  ///< oldest first
  std::deque<std::int32_t> ready_;
  FloodGuard guard_;

  std::uint64_t held_bytes_ = 0;           ///< of all streams' bodies
  std::uint64_t unsent_answer_bytes_ = 0;  ///< of answers that were given as one
  bool is_credit_due_ = false;             ///< some stream was not given back its window

  // The bodies are judged together: which of them it sends first is the client's choice.
  std::size_t receiving_count_ = 0;
  base::SteadyTime bodies_since_;
  std::uint64_t bodies_bytes_ = 0;

  bool has_settings_ = false;  ///< the client's came
  bool is_terminated_ = false;
  bool is_proceeding_soon_ = false;
  base::SteadyTime idle_since_;
};

}  // namespace millrace::http
