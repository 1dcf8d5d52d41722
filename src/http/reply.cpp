#include "http/reply.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::http {
namespace {

base::Error cancelled() {
  return {base::Code::Cancelled, "the client is gone, or the server stops"};
}

}  // namespace

Reply::Reply(ReplyReceiver& receiver, Options options)
    : options_(options), connection_thread_(std::this_thread::get_id()), receiver_(&receiver) {}

void Reply::set_route(std::string_view pattern) {
  const std::lock_guard lock(mutex_);
  route_ = pattern;
}

void Reply::answer(Response response) {
  std::unique_lock lock(mutex_);
  if (is_gone() || phase_ != Phase::Waiting) return;
  phase_ = Phase::Complete;
  given_.answer = std::move(response);
  given_.is_complete = true;
  tell(lock);
}

void Reply::start(int status, const Headers& headers) {
  std::unique_lock lock(mutex_);
  if (is_gone() || phase_ != Phase::Waiting) return;
  phase_ = Phase::Streaming;
  given_.start = Started{.status = status, .headers = headers};
  tell(lock);
}

base::Result<void> Reply::write(std::string bytes) {
  // It would wait for itself.
  CHECK(std::this_thread::get_id() != connection_thread_);
  std::unique_lock lock(mutex_);
  has_room_.wait(lock, [this] { return is_gone() || unsent_bytes_ < options_.unsent_bytes_max; });
  if (is_gone() || phase_ != Phase::Streaming) return cancelled();
  if (bytes.empty() || options_.is_bodiless) return {};
  auto& pieces = given_.pieces;
  const auto add = [&](std::string piece) {
    unsent_bytes_ += piece.size();
    pieces.push_back(std::move(piece));
  };
  if (options_.is_chunked) add(fmt::format("{:x}\r\n", bytes.size()));
  add(std::move(bytes));
  if (options_.is_chunked) add("\r\n");
  tell(lock);
  return {};
}

base::Result<void> Reply::finish() {
  std::unique_lock lock(mutex_);
  if (is_gone() || phase_ != Phase::Streaming) return cancelled();
  phase_ = Phase::Complete;
  if (options_.is_chunked && !options_.is_bodiless) given_.pieces.emplace_back("0\r\n\r\n");
  given_.is_complete = true;
  tell(lock);
  return {};
}

void Reply::abort() {
  std::unique_lock lock(mutex_);
  if (is_gone() || phase_ != Phase::Streaming) return;
  phase_ = Phase::Aborted;
  given_.is_aborted = true;
  tell(lock);
}

void Reply::on_disconnect(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::Complete || phase_ == Phase::Aborted) return;
    if (!is_disconnected_) {
      on_disconnect_ = std::move(call);
      return;
    }
  }
  call();
}

// The lock is held while posting: the connection's thread, which ends only after it took the
// receiver away here, will still run what was posted.
void Reply::tell(std::unique_lock<std::mutex>& lock) {
  CHECK(lock.owns_lock());
  if (is_telling_) return;
  is_telling_ = true;
  receiver_->post([self = shared_from_this()] {
    // Only this thread takes the receiver away, so it may be read without the lock.
    if (self->receiver_ != nullptr) self->receiver_->on_reply();
  });
}

Reply::Given Reply::take() {
  const std::lock_guard lock(mutex_);
  is_telling_ = false;
  return std::exchange(given_, {});
}

std::string Reply::take_route() {
  const std::lock_guard lock(mutex_);
  return std::move(route_);
}

void Reply::sent(std::size_t byte_count) {
  {
    const std::lock_guard lock(mutex_);
    unsent_bytes_ -= std::min(byte_count, unsent_bytes_);
    if (unsent_bytes_ >= options_.unsent_bytes_max) return;
  }
  has_room_.notify_all();
}

void Reply::half_closed() {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    is_disconnected_ = true;
    call = std::exchange(on_disconnect_, nullptr);
  }
  if (call) call();
}

void Reply::detach() {
  std::function<void()> call;
  bool is_cut = false;
  Given dropped;
  {
    const std::lock_guard lock(mutex_);
    receiver_ = nullptr;
    is_cut = phase_ == Phase::Waiting || phase_ == Phase::Streaming;
    if (is_cut) is_disconnected_ = true;
    call = std::exchange(on_disconnect_, nullptr);
    dropped = std::exchange(given_, {});
  }
  has_room_.notify_all();
  if (is_cut && call) call();
}

}  // namespace millrace::http
