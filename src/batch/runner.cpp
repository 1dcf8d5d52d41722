#include "batch/runner.hpp"

#include "batch/run_call.hpp"

namespace millrace::batch {

using base::Result;

Result<std::vector<RunRow>> Runner::run(const RunRequest& request,
                                        const std::stop_token& stopping) {
  Call call(parts_, request, stopping);
  {
    const std::lock_guard lock(mutex_);
    calls_.insert(&call);
  }
  auto rows = call.run();
  const std::lock_guard lock(mutex_);
  calls_.erase(&call);
  return rows;
}

void Runner::interrupt() {
  const std::lock_guard lock(mutex_);
  for (auto* call : calls_) call->interrupt();
}

}  // namespace millrace::batch
