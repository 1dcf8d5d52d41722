#include "flow/dedupe_set.hpp"

#include <xxhash.h>

#include <algorithm>

namespace millrace::flow {
namespace {

constexpr std::size_t kSlotsMin = 64;
// Each key is looked for in the buckets that `within` reaches: about three.
constexpr std::int64_t kBucketMicrosMin = 60'000'000;

}  // namespace

Key128 key_of(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::int64_t DedupeSet::bucket_of(std::int64_t time) const {
  const std::int64_t width = std::max(within_, kBucketMicrosMin);
  return time >= 0 ? time / width : -((-time + width - 1) / width);
}

void DedupeSet::insert(Bucket& bucket, const Entry& entry) {
  if (bucket.slots.size() < (bucket.count + 1) * 4 / 3 + 1) {
    std::vector<Entry> old = std::move(bucket.slots);
    bucket.slots.assign(std::max(kSlotsMin, old.size() * 2), Entry{});
    bucket.count = 0;
    for (const auto& moved : old) {
      if (moved.shard != kFree) insert(bucket, moved);
    }
  }
  const std::size_t mask = bucket.slots.size() - 1;
  std::size_t at = entry.key.low & mask;
  while (bucket.slots[at].shard != kFree) at = (at + 1) & mask;
  bucket.slots[at] = entry;
  ++bucket.count;
}

const DedupeSet::Entry* DedupeSet::find(const Bucket& bucket, Key128 key, std::int64_t time) const {
  if (bucket.slots.empty()) return nullptr;
  const std::size_t mask = bucket.slots.size() - 1;
  for (std::size_t at = key.low & mask; bucket.slots[at].shard != kFree; at = (at + 1) & mask) {
    const Entry& entry = bucket.slots[at];
    if (entry.key == key && std::abs(entry.time - time) <= within_) return &entry;
  }
  return nullptr;
}

base::Result<Verdict> DedupeSet::claim(Key128 key, base::Time event_time, Claimant claimant) {
  const std::int64_t time = event_time.time_since_epoch().count();
  const std::int64_t own = bucket_of(time);
  for (std::int64_t number = own - 1; number <= own + 1; ++number) {
    const auto bucket = buckets_.find(number);
    if (bucket == buckets_.end()) continue;
    const Entry* entry = find(bucket->second, key, time);
    if (!entry) continue;
    return Claimant{entry->shard, entry->offset} == claimant ? Verdict::Own : Verdict::Duplicate;
  }
  insert(buckets_[own], {key, time, claimant.offset, claimant.shard});
  ++count_;
  return Verdict::New;
}

void DedupeSet::forget_before(base::Time horizon) {
  const std::int64_t first = bucket_of(horizon.time_since_epoch().count());
  while (!buckets_.empty() && buckets_.begin()->first < first) {
    count_ -= buckets_.begin()->second.count;
    buckets_.erase(buckets_.begin());
  }
}

base::Result<void> DedupeSet::clear() {
  buckets_.clear();
  count_ = 0;
  return {};
}

std::uint64_t DedupeSet::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [number, bucket] : buckets_) bytes += bucket.slots.size() * sizeof(Entry);
  return bytes;
}

}  // namespace millrace::flow
