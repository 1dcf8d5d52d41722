#include "aws/credential_provider.hpp"

#include "aws/events.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Error;
using base::Result;

constexpr auto kAdvisory = 15min;
constexpr auto kMandatory = 10min;
constexpr auto kRestAfterFailure = 30s;

}  // namespace

Result<std::unique_ptr<CredentialProvider>> CredentialProvider::open(const Settings& settings,
                                                                     const Tools& tools) {
  return std::make_unique<CredentialProvider>(TRY(choose_source(settings, tools)), tools);
}

bool CredentialProvider::is_fresh(std::chrono::minutes before) const {
  if (!current_) return false;
  return !current_->expires_at || tools_.clock.now() + before < *current_->expires_at;
}

bool CredentialProvider::is_usable() const {
  return is_fresh(0min);
}

Result<Credentials> CredentialProvider::get(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    const bool is_resting = retry_at_ && tools_.clock.steady_now() < *retry_at_;
    if (is_fresh(kAdvisory) || (is_resting && is_usable())) return *current_;
    if (!is_fetching_) break;
    if (is_fresh(kMandatory)) return *current_;
    if (!changed_.wait(lock, stop, [&] { return !is_fetching_; })) {
      return Error{Code::Cancelled, "stopped while waiting for AWS credentials"};
    }
    if (is_usable()) return *current_;
  }
  is_fetching_ = true;
  lock.unlock();
  auto fetched = source_.fetch(stop);
  lock.lock();
  is_fetching_ = false;
  changed_.notify_all();
  if (fetched) {
    retry_at_.reset();
    current_ = *fetched;
    events::credentials_fetched(tools_.telemetry, source_.name, current_->expires_at);
    return fetched;
  }
  events::credentials_failed(tools_.telemetry, source_.name, fetched.error());
  retry_at_ = tools_.clock.steady_now() + kRestAfterFailure;
  if (is_usable()) return *current_;
  return fetched;
}

void CredentialProvider::refuse(const Credentials& credentials) {
  const std::lock_guard lock(mutex_);
  if (current_ == credentials) current_.reset();
}

}  // namespace millrace::aws
