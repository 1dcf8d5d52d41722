#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "http/loop.hpp"
#include "http/message.hpp"
#include "http/out_queue.hpp"
#include "http/socket.hpp"

namespace millrace::http {

/// The connection of a client, whatever it speaks: its socket, what waits to be sent, how long it
/// may take. What is said on it is the matter of those that derive from it.
/// Threads: its loop's.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, Socket socket, std::string peer);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  /// The server stops: ends now if nothing is begun, else after what is.
  virtual void drain() = 0;
  void close();

 protected:
  /// A refused client may still be sending, and some lose the answer if they cannot. So much, and
  /// for so long, is thrown away first.
  static constexpr std::size_t kLingerBytesMax = 64_MiB;
  std::chrono::seconds linger() const;
  /// Of bytes on their way to the socket; then no further request is taken.
  static constexpr std::size_t kOutBytesMax = 64_KiB;

  enum class Ending : std::uint8_t {
    No,
    Close,      ///< when all is sent
    Linger,     ///< when all is sent, but let the client read it first
    Lingering,  ///< all is sent; what still comes is thrown away
  };

  /// Does what can be done now, and waits for what it takes to do more.
  virtual void proceed() = 0;
  /// `bytes` came; they go when it returns.
  virtual void on_input(std::string_view bytes) = 0;
  /// The client sends nothing more.
  virtual void on_eof() = 0;
  /// How much may be read at once.
  virtual std::size_t read_bytes_max() const { return loop_.scratch().size(); }
  virtual void on_sent(std::size_t byte_count) = 0;
  virtual void on_close() = 0;
  /// When the client has taken too long for what it does; not called once the end has begun.
  virtual base::SteadyTime client_deadline() const = 0;
  virtual void on_deadline() = 0;

  void flush();
  void begin_linger();
  void wait_readable();
  void arm_timer();
  /// `next` has the socket and takes this connection's place.
  void hand_over(const std::shared_ptr<Connection>& next);
  /// To a request that came, but was not begun when the server stopped.
  static Response stopping_answer();
  static base::SteadyTime now() { return std::chrono::steady_clock::now(); }

  Loop& loop_;
  Socket socket_;
  std::string peer_;
  OutQueue out_;
  Ending ending_ = Ending::No;
  bool is_closed_ = false;
  bool has_eof_ = false;
  bool is_waiting_read_ = false;

 private:
  void wait_writable();
  void on_readable();
  void discard(std::size_t byte_count);
  base::SteadyTime deadline() const;
  bool is_stalled() const;
  void on_timer();

  boost::asio::steady_timer timer_;
  base::SteadyTime timer_at_ = base::SteadyTime::max();
  bool is_waiting_write_ = false;
  base::SteadyTime last_sent_;
  base::SteadyTime linger_until_;
  std::size_t lingered_bytes_ = 0;
};

}  // namespace millrace::http
