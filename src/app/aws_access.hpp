#pragma once

#include <memory>
#include <mutex>

#include "aws/session.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"

namespace millrace::app {

/// The way to AWS of this process: opened when it is first needed, once for all who ask.
/// Threads: safe from any.
class AwsAccess {
 public:
  /// All must outlive it.
  AwsAccess(const base::Clock& clock, base::Random& random, base::Telemetry telemetry)
      : clock_(clock), random_(random), telemetry_(telemetry) {}

  /// The session with the credentials of the environment; it lives as long as this does.
  /// Errors  those of `aws::Session::open`; the next call tries again.
  base::Result<aws::Session*> session();
  /// One that signs nothing, for what is open to everybody; without credentials.
  base::Result<aws::Session*> unsigned_session();

 private:
  const base::Clock& clock_;
  base::Random& random_;
  const base::Telemetry telemetry_;
  std::mutex mutex_;
  std::unique_ptr<aws::Session> session_;           // Guarded by mutex_.
  std::unique_ptr<aws::Session> unsigned_session_;  // Guarded by mutex_.
};

}  // namespace millrace::app
