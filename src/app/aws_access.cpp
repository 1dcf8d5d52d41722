#include "app/aws_access.hpp"

namespace millrace::app {

using base::Result;

Result<aws::Session*> AwsAccess::session() {
  const std::lock_guard lock(mutex_);
  if (!session_) {
    session_ = TRY(aws::Session::open(aws::process_environment(), "", clock_, random_, telemetry_));
  }
  return session_.get();
}

Result<aws::Session*> AwsAccess::unsigned_session() {
  const std::lock_guard lock(mutex_);
  if (!unsigned_session_) {
    unsigned_session_ =
        TRY(aws::Session::open_unsigned(aws::process_environment(), clock_, random_, telemetry_));
  }
  return unsigned_session_.get();
}

}  // namespace millrace::app
