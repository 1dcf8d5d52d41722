#include "log/shard_map.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "log/log.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;
using base::Time;

namespace {

// The first key of the nth of `count` ranges that are alike: n * floor(2^128 / count), as Kinesis
// has it; the last range takes what is left over.
HashKey first_key(int nth, int count) {
  const auto divisor = static_cast<HashKey>(count);
  const HashKey step = kHashKeyMax / divisor + (kHashKeyMax % divisor + 1 == divisor ? 1 : 0);
  return step * static_cast<HashKey>(nth);
}

HashRange nth_range(int nth, int count) {
  return {.first = first_key(nth, count),
          .last = nth + 1 == count ? kHashKeyMax : first_key(nth + 1, count) - 1};
}

Error too_many() {
  return {Code::Exhausted, fmt::format("a stream has at most {} open shards, and {} in its life",
                                       kOpenShardsMax, kShardsMax)};
}

ShardId id_of(std::size_t index) {
  return ShardId(static_cast<std::int64_t>(index));
}

}  // namespace

ShardMap::ShardMap(std::vector<ShardInfo> shards) : shards_(std::move(shards)) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].is_open()) open_.emplace_back(shards_[i].range.first, id_of(i));
  }
  std::ranges::sort(open_);
}

ShardMap ShardMap::even(int count, Time now) {
  std::vector<ShardInfo> shards;
  for (int i = 0; i < count; ++i) {
    shards.push_back({.range = nth_range(i, count), .created_at = now});
  }
  return ShardMap(std::move(shards));
}

std::optional<ShardMap> ShardMap::of(std::vector<ShardInfo> shards) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    for (const auto& parent : {shards[i].parent, shards[i].adjacent_parent}) {
      if (parent && (parent->value() < 0 || *parent >= id_of(i))) return std::nullopt;
    }
  }
  ShardMap map(std::move(shards));
  HashKey next = 0;
  bool is_covered = false;
  for (const auto& [first, id] : map.open_) {
    const auto& range = map.at(id).range;
    if (is_covered || range.first != next || range.last < range.first) return std::nullopt;
    is_covered = range.last == kHashKeyMax;
    next = range.last + 1;
  }
  if (!is_covered) return std::nullopt;
  return map;
}

ShardId ShardMap::route(HashKey key) const {
  const auto after =
      std::ranges::upper_bound(open_, key, {}, [](const auto& each) { return each.first; });
  return std::prev(after)->second;
}

std::vector<ShardId> ShardMap::children(ShardId shard) const {
  std::vector<ShardId> found;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].parent == shard || shards_[i].adjacent_parent == shard)
      found.push_back(id_of(i));
  }
  return found;
}

Result<void> ShardMap::check_open(ShardId shard) const {
  if (!has(shard)) return Error{Code::NotFound, fmt::format("no shard {}", shard.value())};
  if (!at(shard).is_open()) {
    return Error{Code::Invalid, fmt::format("shard {} is closed already", shard.value())};
  }
  return {};
}

Result<ShardMap> ShardMap::split(ShardId shard, HashKey second_first, Time now) const {
  TRY(check_open(shard));
  const HashRange range = at(shard).range;
  if (second_first <= range.first || second_first > range.last) {
    return Error{
        Code::Invalid,
        fmt::format("shard {} holds the keys {} to {}: it cannot be split at {}", shard.value(),
                    decimal(range.first), decimal(range.last), decimal(second_first))};
  }
  if (open_count() >= kOpenShardsMax || count() + 2 > kShardsMax) return too_many();
  auto shards = shards_;
  shards[static_cast<std::size_t>(shard.value())].closed_at = now;
  shards.push_back({.range = {range.first, second_first - 1}, .created_at = now, .parent = shard});
  shards.push_back({.range = {second_first, range.last}, .created_at = now, .parent = shard});
  return ShardMap(std::move(shards));
}

Result<ShardMap> ShardMap::merge(ShardId shard, ShardId adjacent, Time now) const {
  TRY(check_open(shard));
  TRY(check_open(adjacent));
  const HashRange one = at(shard).range;
  const HashRange other = at(adjacent).range;
  const bool is_before = one.last != kHashKeyMax && one.last + 1 == other.first;
  const bool is_after = other.last != kHashKeyMax && other.last + 1 == one.first;
  if (!is_before && !is_after) {
    return Error{Code::Invalid, fmt::format("the keys of shards {} and {} are no neighbours",
                                            shard.value(), adjacent.value())};
  }
  if (count() + 1 > kShardsMax) return too_many();
  auto shards = shards_;
  for (const auto id : {shard, adjacent}) {
    shards[static_cast<std::size_t>(id.value())].closed_at = now;
  }
  shards.push_back({.range = {std::min(one.first, other.first), std::max(one.last, other.last)},
                    .created_at = now,
                    .parent = shard,
                    .adjacent_parent = adjacent});
  return ShardMap(std::move(shards));
}

Result<ShardMap> ShardMap::spread(int count, Time now) const {
  ShardMap map = *this;
  for (int i = 1; i < count; ++i) {
    const HashKey border = first_key(i, count);
    const ShardId shard = map.route(border);
    if (map.at(shard).range.first != border) map = TRY(map.split(shard, border, now));
  }
  for (int i = 0; i < count; ++i) {
    const HashRange wanted = nth_range(i, count);
    for (;;) {
      const ShardId shard = map.route(wanted.first);
      if (map.at(shard).range.last == wanted.last) break;
      map = TRY(map.merge(shard, map.route(map.at(shard).range.last + 1), now));
    }
  }
  return map;
}

}  // namespace millrace::log
