#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "http/loop.hpp"
#include "http/out_queue.hpp"
#include "http/reply.hpp"
#include "http/request_reader.hpp"
#include "http/response_head.hpp"

namespace millrace::http {

/// One connection of a client. It reads a request, has it answered, and only then reads the next;
/// answers of pipelined requests go out together.
/// Threads: its loop's, but for `post`.
class Connection final : public ReplyReceiver, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, boost::asio::ip::tcp::socket socket);

  void start(Admission admission);
  /// The server stops: ends now if nothing is begun, else after the answer.
  void drain();
  void close();

  void post(std::function<void()> job) override;
  void on_reply() override;

 private:
  /// Of unsent answers; then no further request is taken.
  static constexpr std::size_t kOutBytesMax = 64_KiB;

  enum class Ending : std::uint8_t {
    No,
    Close,      ///< when all is sent
    Linger,     ///< when all is sent, but let the client read it first
    Lingering,  ///< all is sent; what still comes is thrown away
  };

  void advance(std::string_view input);
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

  void flush();
  void end_if_done();
  void begin_linger();
  void keep(std::string_view input);
  std::string_view kept_input() const { return std::string_view(in_).substr(in_begin_); }

  bool wants_read() const;
  void wait_readable();
  void wait_writable();
  void on_readable();
  void on_eof();
  void discard(std::size_t byte_count);

  base::SteadyTime deadline() const;
  void arm_timer();
  void on_timer();
  void on_deadline();

  Loop& loop_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::string peer_;

  RequestReader reader_;
  std::string in_;  ///< what came and is not read yet, from `in_begin_` on
  std::size_t in_begin_ = 0;
  OutQueue out_;

  // The request that is being answered.
  std::shared_ptr<Reply> reply_;  ///< null: none is
  std::string method_;
  int status_ = 0;  ///< of the answer that was started
  base::SteadyTime request_at_;

  Ending ending_ = Ending::No;
  bool is_closed_ = false;
  bool has_eof_ = false;
  bool has_sent_continue_ = false;
  bool is_keep_alive_ = false;
  bool is_waiting_read_ = false;
  bool is_waiting_write_ = false;

  RequestReader::State noted_state_ = RequestReader::State::Empty;
  base::SteadyTime state_since_;
  base::SteadyTime last_sent_;
  base::SteadyTime linger_until_;
  std::size_t lingered_bytes_ = 0;
  base::SteadyTime timer_at_ = base::SteadyTime::max();
};

}  // namespace millrace::http
