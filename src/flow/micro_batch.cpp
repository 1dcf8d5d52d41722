#include "flow/micro_batch.hpp"

#include <algorithm>

namespace millrace::flow {

const base::Record* MicroBatch::find(base::ShardId shard, base::Offset offset) const {
  for (const auto& batch : batches) {
    if (batch.shard != shard) continue;
    const auto found = std::ranges::lower_bound(batch.records, offset, {}, &base::Record::offset);
    if (found != batch.records.end() && found->offset == offset) return &*found;
  }
  return nullptr;
}

std::optional<base::Time> MicroBatch::newest_event(base::ShardId shard) const {
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (batches[i].shard == shard) return newest_events[i];
  }
  return std::nullopt;
}

}  // namespace millrace::flow
