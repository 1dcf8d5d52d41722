#pragma once

#include <cstdint>
#include <map>

#include "flow/alert.hpp"

namespace millrace::flow {

/// How far a delivery is: which rows were handed over and have not ended. A position is what may be
/// committed: all rows of the records before it have ended.
/// Threads: one at a time.
class AlertProgress {
 public:
  /// Takes up a shard where it stands.
  void begin(std::int32_t shard, std::int64_t position) { reached_[shard] = position; }
  /// Another worker reads it from now on.
  void forget(std::int32_t shard) { reached_.erase(shard), rows_.erase(shard); }
  /// A row was handed over, and has to end.
  void add(const RowPosition& at) { rows_[at.shard].emplace(Key{at.offset, at.row}, false); }
  void settle(const RowPosition& at);
  /// All rows of records before `offset` were handed over.
  void reach(std::int32_t shard, std::int64_t offset);

  std::map<std::int32_t, std::int64_t> positions() const;
  /// Rows that are held: not ended, or ended behind one that has not.
  std::size_t held() const { return held_of(rows_); }

 private:
  struct Key {
    std::int64_t offset;
    std::int32_t row;
    auto operator<=>(const Key&) const = default;
  };
  using Rows = std::map<std::int32_t, std::map<Key, bool>>;
  static std::size_t held_of(const Rows& rows);

  Rows rows_;  // by shard; true: has ended
  std::map<std::int32_t, std::int64_t> reached_;
};

}  // namespace millrace::flow
