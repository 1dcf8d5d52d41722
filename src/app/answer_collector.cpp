#include "app/answer_collector.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

Result<http::ResponseHead> AnswerCollector::wait() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return outcome_.has_value(); });
  if (!*outcome_) return outcome_->error();
  return head_;
}

void AnswerCollector::answer(http::Response response) {
  start(response.status, response.headers);
  if (write(std::move(response.body))) end({});
}

void AnswerCollector::start(int status, const http::Headers& headers) {
  const std::lock_guard lock(mutex_);
  head_ = {status, headers};
}

Result<void> AnswerCollector::write(std::string bytes) {
  std::unique_lock lock(mutex_);
  if (outcome_) return Error{Code::Cancelled, "the answer is over"};
  if (bytes.empty()) return {};
  auto read = read_(head_, bytes);
  lock.unlock();
  if (!read) end(read);
  return read;
}

Result<void> AnswerCollector::finish() {
  end({});
  return {};
}

void AnswerCollector::abort() {
  end(Error{Code::Unavailable, "the answer broke off before its end"});
}

void AnswerCollector::end(Result<void> outcome) {
  const std::lock_guard lock(mutex_);
  if (outcome_) return;
  outcome_ = std::move(outcome);
  ended_.notify_all();
}

}  // namespace millrace::app
