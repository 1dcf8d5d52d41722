#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "log/hash_key.hpp"

namespace millrace::log {

/// One shard as its stream knows it. An open one takes the records of its keys; a closed one keeps
/// those that it has, and its children take what comes.
struct ShardInfo {
  HashRange range;
  base::Time created_at;
  std::optional<base::ShardId> parent;
  std::optional<base::ShardId> adjacent_parent;  ///< set as well if two were merged
  std::optional<base::Time> closed_at;

  bool is_open() const { return !closed_at; }
  bool operator==(const ShardInfo&) const = default;
};

/// All shards that a stream has ever had, numbered from 0. The open ones share out the key space;
/// a child's number is above its parents'. It never changes: resharding makes another one.
class ShardMap {
 public:
  ShardMap() = default;
  /// `count` shards, 1 at least, with ranges that are alike.
  static ShardMap even(int count, base::Time now);
  /// None: the open shards leave a gap or overlap, or a parent does not come before its child.
  static std::optional<ShardMap> of(std::vector<ShardInfo> shards);

  int count() const { return static_cast<int>(shards_.size()); }
  int open_count() const { return static_cast<int>(open_.size()); }
  std::span<const ShardInfo> shards() const { return shards_; }
  bool has(base::ShardId shard) const { return shard.value() >= 0 && shard.value() < count(); }
  const ShardInfo& at(base::ShardId shard) const {
    return shards_.at(static_cast<std::size_t>(shard.value()));
  }

  /// The open shard of a key.
  base::ShardId route(HashKey key) const;
  /// A key of one open shard after the other, as `turn` grows.
  HashKey key_in_turn(std::uint64_t turn) const { return open_[turn % open_.size()].first; }
  std::vector<base::ShardId> children(base::ShardId shard) const;

  // Errors of the three  Exhausted: there would be too many shards.

  /// Errors  NotFound: no such shard. Invalid: it is closed, or `second_first` (with which the
  /// second child begins) is not within it, past its first key.
  base::Result<ShardMap> split(base::ShardId shard, HashKey second_first, base::Time now) const;
  /// Errors  NotFound: no such shard. Invalid: one is closed, or they are no neighbours.
  base::Result<ShardMap> merge(base::ShardId shard, base::ShardId adjacent, base::Time now) const;
  /// `count` open shards with ranges that are alike, made by splits and merges; shards that are so
  /// already stay. What lies between closes empty.
  base::Result<ShardMap> spread(int count, base::Time now) const;

 private:
  explicit ShardMap(std::vector<ShardInfo> shards);
  base::Result<void> check_open(base::ShardId shard) const;

  std::vector<ShardInfo> shards_;
  std::vector<std::pair<HashKey, base::ShardId>> open_;  // by first key
};

}  // namespace millrace::log
