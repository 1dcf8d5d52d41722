#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "http/exchange.hpp"

namespace millrace::http {

/// The connection as its reply sees it.
class ReplyReceiver {
 public:
  virtual ~ReplyReceiver() = default;
  /// Runs `job` on the connection's thread. Threads: any.
  virtual void post(std::function<void()> job) = 0;
  /// The reply has something to `take`. Threads: the connection's.
  virtual void on_reply() = 0;
};

/// The answer to one request on its way from whoever gives it to the connection. Whoever gives it
/// may be any thread; the connection may be gone.
/// Threads: the sink's methods any; the others the connection's.
class Reply final : public AnswerSink, public std::enable_shared_from_this<Reply> {
 public:
  struct Options {
    bool is_bodiless = false;  ///< the answer to HEAD
    bool is_chunked = true;
    std::uint64_t unsent_bytes_max = 0;
  };
  Reply(ReplyReceiver& receiver, Options options);

  void set_route(std::string_view pattern) override;
  void answer(Response response) override;
  void start(int status, const Headers& headers) override;
  base::Result<void> write(std::string bytes) override;
  base::Result<void> finish() override;
  void abort() override;
  void on_disconnect(std::function<void()> call) override;

  struct Started {
    int status = 0;
    Headers headers;
  };
  /// What was given since the last time.
  struct Given {
    std::optional<Response> answer;
    std::optional<Started> start;
    std::vector<std::string> pieces;  ///< of the body, framed
    bool is_complete = false;
    bool is_aborted = false;
  };
  /// What is given from now on is told by `on_reply`; until the first `take` it is not.
  Given take();
  std::string take_route();
  /// That many bytes of the body were sent.
  void sent(std::size_t byte_count);
  /// The client sends nothing more.
  void half_closed();
  /// The connection wants nothing more: the answer is complete, or the client is gone.
  void detach();

 private:
  enum class Phase : std::uint8_t { Waiting, Streaming, Complete, Aborted };

  void tell(std::unique_lock<std::mutex>& lock);
  bool is_gone() const { return receiver_ == nullptr; }

  const Options options_;
  const std::thread::id connection_thread_;

  std::mutex mutex_;
  std::condition_variable has_room_;
  // Guarded by mutex_, all of them. The receiver is taken away on its own thread only.
  ReplyReceiver* receiver_;
  Phase phase_ = Phase::Waiting;
  Given given_;
  std::string route_;
  std::size_t unsent_bytes_ = 0;
  bool is_telling_ = true;  ///< the connection will look by itself
  bool is_disconnected_ = false;
  std::function<void()> on_disconnect_;
};

}  // namespace millrace::http
