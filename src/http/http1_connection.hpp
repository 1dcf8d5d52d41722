#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/connection.hpp"
#include "http/reply.hpp"
#include "http/request_reader.hpp"
#include "http/response_head.hpp"

namespace millrace::http {

/// A connection that speaks HTTP/1.0 or 1.1, as each does at first: one that begins with HTTP/2's
/// preface is handed over to an `Http2Connection`. It reads a request, has it answered, and only
/// then reads the next; answers of pipelined requests go out together.
/// Threads: its loop's, but for `post`.
class Http1Connection final : public Connection, public ReplyReceiver {
 public:
  Http1Connection(Loop& loop, Socket socket);

  void start(Admission admission);
  void drain() override;

  void post(std::function<void()> job) override;
  void on_reply() override;

 private:
  void proceed() override { advance(kept_input()); }
  void on_input(std::string_view bytes) override;
  void on_eof() override;
  std::size_t read_bytes_max() const override;
  void on_sent(std::size_t byte_count) override;
  void on_close() override;
  base::SteadyTime client_deadline() const override;
  void on_deadline() override;

  void advance(std::string_view input);
  bool refuse_if_too_many();
  bool lacks_tls();
  bool is_http2(std::string_view input);
  std::string_view take_requests(std::string_view input);
  bool may_take_request() const;
  void note_state();
  void dispatch();
  void take_reply();
  void queue_answer(Response answer);
  void queue_start(const Reply::Started& start);
  bool decide_keep_alive(const Headers& headers);
  void end_request(int status);
  void refuse(Response refusal);

  void end_if_done();
  bool wants_read() const;
  void keep(std::string_view input);
  std::string_view kept_input() const { return std::string_view(in_).substr(in_begin_); }

  RequestReader reader_;
  std::string in_;  ///< what came and is not read yet, from `in_begin_` on
  std::size_t in_begin_ = 0;

  // The request that is being answered.
  std::shared_ptr<Reply> reply_;  ///< null: none is
  std::string method_;
  int status_ = 0;  ///< of the answer that was started
  base::SteadyTime request_at_;

  bool is_new_ = true;     ///< it may still turn out to speak HTTP/2
  bool is_local_ = false;  ///< the client is on this machine
  Admission admission_ = Admission::Serve;
  bool has_sent_continue_ = false;
  bool is_keep_alive_ = false;
  RequestReader::State noted_state_ = RequestReader::State::Empty;
  base::SteadyTime state_since_;
};

}  // namespace millrace::http
