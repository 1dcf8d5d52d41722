#include "verify/given_source.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace millrace::verify {

using base::Offset;
using base::Result;

Offset GivenSource::oldest(base::ShardId /*shard*/) const {
  return Offset(0);
}
Offset GivenSource::end(base::ShardId /*shard*/) const {
  return Offset(static_cast<std::int64_t>(records_.size()));
}

// The records outlive whoever reads them, so a batch needs no owner.
Result<base::RecordBatch> GivenSource::read(base::ShardId shard, Offset from,
                                            std::uint64_t /*bytes_max*/) {
  base::RecordBatch batch{shard, {}, from, {}};
  while (batch.next < end(shard) && batch.records.size() < records_per_read_) {
    const auto& bytes = records_[static_cast<std::size_t>(batch.next.value())];
    batch.records.push_back({batch.next, received_at_, {}, bytes});
    batch.next = batch.next.next();
  }
  return batch;
}

bool GivenSource::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                              std::stop_token stop) {
  const bool has_more =
      std::ranges::any_of(positions, [&](Offset at) { return at < end(base::ShardId(0)); });
  if (has_more) return true;
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, timeout, [] { return false; });
  return false;
}

Result<void> GivenSource::release(std::span<const Offset> /*positions*/) {
  return {};
}

}  // namespace millrace::verify
