#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "http/exchange.hpp"

namespace millrace::kinesis {

/// Keeps an answer in memory.
class Sink final : public http::AnswerSink {
 public:
  void set_route(std::string_view /*pattern*/) override {}
  void answer(http::Response response) override {
    const std::lock_guard lock(mutex_);
    response_ = std::move(response);
    is_done_ = true;
    changed_.notify_all();
  }
  void start(int status, const http::Headers& headers) override {
    const std::lock_guard lock(mutex_);
    response_.status = status;
    response_.headers = headers;
  }
  base::Result<void> write(std::string bytes) override {
    const std::lock_guard lock(mutex_);
    response_.body += bytes;
    return {};
  }
  base::Result<void> finish() override {
    const std::lock_guard lock(mutex_);
    is_done_ = true;
    changed_.notify_all();
    return {};
  }
  void abort() override { (void)finish(); }
  void on_disconnect(std::function<void()> /*call*/) override {}

  http::Response wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_done_; });
    return response_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  http::Response response_;
  bool is_done_ = false;
};

}  // namespace millrace::kinesis
