#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "http/client.hpp"
#include "http/exchange.hpp"

namespace millrace::app {

/// Takes the answer of a handler in this process, as http::Client takes that of a server.
/// Threads: `wait` from one; the rest from any.
class AnswerCollector final : public http::AnswerSink {
 public:
  /// `read` gets the body as it comes, on the handler's threads, never two at once.
  explicit AnswerCollector(http::BodyReader read) : read_(std::move(read)) {}

  /// Waits for the end of the answer.
  /// Errors  those of `read`. Unavailable: the answer broke off.
  base::Result<http::ResponseHead> wait();

  void set_route(std::string_view) override {}
  void answer(http::Response response) override;
  void start(int status, const http::Headers& headers) override;
  base::Result<void> write(std::string bytes) override;
  base::Result<void> finish() override;
  void abort() override;
  void on_disconnect(std::function<void()>) override {}

 private:
  void end(base::Result<void> outcome);

  const http::BodyReader read_;
  std::mutex mutex_;
  std::condition_variable ended_;
  http::ResponseHead head_;                    // Guarded by mutex_.
  std::optional<base::Result<void>> outcome_;  // Guarded by mutex_. None: not ended.
};

}  // namespace millrace::app
