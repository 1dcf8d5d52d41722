#include "flow/dedupe_set.hpp"

#include <xxhash.h>

#include <algorithm>

namespace millrace::flow {
namespace {

using base::Result;

constexpr std::size_t kSlotsMin = 64;
// Each key is looked for in the buckets that `within` reaches: three.
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

void DedupeSet::insert(Bucket& bucket, const Claim& claim) {
  if (bucket.slots.size() < (bucket.count + 1) * 4 / 3 + 1) {
    std::vector<Claim> old = std::move(bucket.slots);
    bucket.slots.assign(std::max(kSlotsMin, old.size() * 2), Claim{});
    bytes_ += (bucket.slots.size() - old.size()) * sizeof(Claim);
    bucket.count = 0;
    for (const auto& moved : old) {
      if (moved.shard != Claim::kFree) insert(bucket, moved);
    }
  }
  const std::size_t mask = bucket.slots.size() - 1;
  std::size_t at = claim.key.low & mask;
  while (bucket.slots[at].shard != Claim::kFree) at = (at + 1) & mask;
  bucket.slots[at] = claim;
  ++bucket.count;
}

const Claim* DedupeSet::find(const Bucket& bucket, Key128 key, std::int64_t time) const {
  if (bucket.slots.empty()) return nullptr;
  const std::size_t mask = bucket.slots.size() - 1;
  for (std::size_t at = key.low & mask; bucket.slots[at].shard != Claim::kFree;
       at = (at + 1) & mask) {
    const Claim& claim = bucket.slots[at];
    if (claim.key == key && std::abs(claim.time - time) <= within_) return &claim;
  }
  return nullptr;
}

Result<Verdict> DedupeSet::claim(Key128 key, base::Time event_time, Claimant claimant) {
  const std::int64_t time = event_time.time_since_epoch().count();
  const std::int64_t own = bucket_of(time);
  const auto verdict = [&](const Claim& claim) {
    return claim.claimant() == claimant ? Verdict::Own : Verdict::Duplicate;
  };
  for (std::int64_t number = own - 1; number <= own + 1; ++number) {
    if (const auto bucket = buckets_.find(number); bucket != buckets_.end()) {
      if (const Claim* claim = find(bucket->second, key, time)) return verdict(*claim);
    }
    if (!spilled_) continue;
    const auto claim = TRY(spilled_->find(number, key, time - within_, time + within_));
    if (claim) return verdict(*claim);
  }
  insert(buckets_[own], {key, time, claimant.offset, claimant.shard});
  if (bytes_ > options_.bytes_max) TRY(spill_oldest());
  return Verdict::New;
}

// The oldest bucket is the one least asked for. If it cannot be written it stays in memory.
Result<void> DedupeSet::spill_oldest() {
  if (!spilled_) spilled_ = TRY(SpilledClaims::open(options_.spill));
  const auto oldest = buckets_.begin();
  std::vector<Claim> claims;
  claims.reserve(oldest->second.count);
  std::ranges::copy_if(oldest->second.slots, std::back_inserter(claims),
                       [](const Claim& claim) { return claim.shard != Claim::kFree; });
  TRY(spilled_->add(oldest->first, std::move(claims)));
  bytes_ -= oldest->second.slots.size() * sizeof(Claim);
  buckets_.erase(oldest);
  return {};
}

Result<void> DedupeSet::forget_before(base::Time horizon) {
  const std::int64_t first = bucket_of(horizon.time_since_epoch().count());
  while (!buckets_.empty() && buckets_.begin()->first < first) {
    bytes_ -= buckets_.begin()->second.slots.size() * sizeof(Claim);
    buckets_.erase(buckets_.begin());
  }
  if (spilled_) TRY(spilled_->drop_before(first));
  return {};
}

void DedupeSet::clear() {
  buckets_.clear();
  bytes_ = 0;
  spilled_.reset();
}

}  // namespace millrace::flow
