#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/body_budget.hpp"
#include "http/message.hpp"

namespace millrace::http {

/// Where an exchange's answer goes. The server implements it; a test of a handler may too.
/// Threads: called from any; what comes after the end of an answer is ignored.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// Says which route was taken, for the metrics.
  virtual void set_route(std::string_view pattern) = 0;
  virtual void answer(Response response) = 0;
  virtual void start(int status, const Headers& headers) = 0;
  virtual base::Result<void> write(std::string bytes) = 0;
  virtual base::Result<void> finish() = 0;
  /// Ends a started answer so that the client sees that it is incomplete.
  virtual void abort() = 0;
  virtual void on_disconnect(std::function<void()> call) = 0;
};

/// The body of an answer that is sent piece by piece. If it goes without `finish`, the client sees
/// that the answer is incomplete.
/// Threads: one at a time, never the thread that called the handler.
class BodyWriter {
 public:
  explicit BodyWriter(std::shared_ptr<AnswerSink> sink) : sink_(std::move(sink)) {}
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;
  ~BodyWriter();

  /// Hands over `bytes` to be sent; waits while too much is unsent.
  /// Errors  Cancelled: the client went away, was too slow, or the server stops.
  base::Result<void> write(std::string bytes);
  /// Ends the answer.
  base::Result<void> finish();

 private:
  std::shared_ptr<AnswerSink> sink_;
  bool is_finished_ = false;
};

/// One request and the answer to it. Answer it once, from any thread, now or later. If it goes
/// without an answer, the client gets a 500.
class Exchange {
 public:
  Exchange(Request request, std::shared_ptr<AnswerSink> sink, BodyLease lease = {});
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  const Request& request() const { return request_; }
  /// The body, to keep without a copy. It still counts as in flight until the exchange goes.
  std::string take_body() { return std::move(request_.body); }

  void answer(Response response);

  /// Begins an answer whose length is not known yet.
  std::shared_ptr<BodyWriter> start(int status, const Headers& headers);

  /// Calls `call` once, on a thread that must not be blocked, if the client goes away before the
  /// answer is complete; at once if it is gone already. A client that closes its sending side while
  /// it waits counts as gone, though it may still get the answer.
  void on_disconnect(std::function<void()> call);

 private:
  friend class Router;
  Request request_;
  std::shared_ptr<AnswerSink> sink_;
  BodyLease lease_;
  bool is_answered_ = false;
};

/// Answers a request. It is called on a thread that must not be blocked; what takes time goes
/// through `on_workers`.
using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace millrace::http
