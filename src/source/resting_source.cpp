#include "source/resting_source.hpp"

#include <condition_variable>
#include <mutex>

#include "source/kinesis_state.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::Result;
using base::ShardId;

class RestingSource final : public Source {
 public:
  explicit RestingSource(std::string incarnation) : incarnation_(std::move(incarnation)) {}

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override { return 0; }
  Offset oldest(ShardId /*shard*/) const override { return Offset(0); }
  Offset end(ShardId /*shard*/) const override { return Offset(0); }
  Result<base::RecordBatch> read(ShardId shard, Offset from, std::uint64_t /*bytes_max*/) override {
    return base::RecordBatch{.shard = shard, .records = {}, .next = from, .owner = {}};
  }
  bool wait_beyond(std::span<const Offset> /*positions*/, std::chrono::microseconds timeout,
                   std::stop_token stop) override {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, std::move(stop), timeout, [] { return false; });
    return false;
  }
  Result<void> release(std::span<const Offset> /*positions*/) override { return {}; }

 private:
  const std::string incarnation_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_resting_source(os::Disk& disk, const os::Path& state_folder) {
  const auto incarnation = TRY(KinesisState::incarnation_in(disk, state_folder));
  if (incarnation.empty()) return std::unique_ptr<Source>();
  return make_resting_source(incarnation);
}

std::unique_ptr<Source> make_resting_source(std::string incarnation) {
  return std::make_unique<RestingSource>(std::move(incarnation));
}

}  // namespace millrace::source
