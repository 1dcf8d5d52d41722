#include "http/workers.hpp"

#include "base/result.hpp"

namespace millrace::http {

Workers::Workers(WorkersOptions options) : options_(options) {
  CHECK(options_.threads > 0);
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() {
  stop();
}

bool Workers::try_run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || queue_.size() >= options_.queue_max) return false;
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Workers::stop() {
  std::vector<std::jthread> threads;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
}  // The threads are joined here.

void Workers::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // What it holds is let go without the lock.
    lock.lock();
  }
}

Handler on_workers(Workers& workers, Handler handler) {
  const auto shared_handler = std::make_shared<const Handler>(std::move(handler));
  return [&workers, shared_handler](std::shared_ptr<Exchange> exchange) {
    if (workers.try_run([shared_handler, exchange] { (*shared_handler)(exchange); })) return;
    Response busy = problem(503, "busy", "too many requests wait for a thread; come again");
    busy.headers.add("Retry-After", "1");
    exchange->answer(std::move(busy));
  };
}

}  // namespace millrace::http
