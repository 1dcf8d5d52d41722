#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/record.hpp"
#include "base/result.hpp"

namespace millrace::source {

/// Where reading goes on in a stream whose own positions do not fit into an offset: numbers that
/// the source alone understands, none of them negative. A commit carries them beside the position.
using Mark = std::array<std::int64_t, 4>;

/// Which shards of a stream that several workers read are this one's.
struct Share {
  /// By shard, when it was given to us: another number is another time.
  std::map<base::ShardId, std::uint64_t> given;
  /// Of those: to be given up as soon as what was read of them is committed.
  std::set<base::ShardId> leaving;
  std::uint64_t rebalances = 0;  ///< so often shards came or went

  bool operator==(const Share&) const = default;
};

/// A stream in, as a worker reads it. Every connector keeps this contract:
/// - a position never means another record: a source that was deleted and made anew has another
///   `incarnation`;
/// - `read` gives only what would survive a power cut, consecutively, and the same again when asked
///   again, as long as it is retained;
/// - the source keeps no memory of who has read what: positions live in the tables. A source that
///   numbers its records itself gets them back from there, as marks, and again whenever a shard is
///   given to it.
/// Threads: safe from any.
class Source {
 public:
  virtual ~Source() = default;

  /// Which life of the stream this is, without `/`.
  virtual const std::string& incarnation() const = 0;
  /// It may grow.
  virtual int shard_count() const = 0;
  /// True if no record will come to a shard any more.
  virtual bool is_closed(base::ShardId /*shard*/) const { return false; }
  /// The shards, with smaller numbers, whose keys this one took over: they are to be read to their
  /// end first.
  virtual std::vector<base::ShardId> parents(base::ShardId /*shard*/) const { return {}; }
  /// The first position that can still be read.
  virtual base::Offset oldest(base::ShardId shard) const = 0;
  /// The position after the last record there is.
  virtual base::Offset end(base::ShardId shard) const = 0;

  /// The records of `shard` from `from` on.
  /// Shape   one record at least if there is any, else none; `next` says where to read on.
  /// Errors  Exhausted: `from` is no longer retained. Corrupt: damaged, with the place.
  virtual base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                               std::uint64_t bytes_max) = 0;

  /// Waits until some shard has a record at or after its position in `positions`, the time is over,
  /// or a stop is asked for. True if there is something to read.
  virtual bool wait_beyond(std::span<const base::Offset> positions,
                           std::chrono::microseconds timeout, std::stop_token stop) = 0;

  /// Ends a `wait_beyond` that is under way: there is something else to do.
  virtual void wake() {}

  /// What a commit of `position`, which was read up to, must carry beside it; none: nothing.
  virtual std::optional<Mark> mark(base::ShardId /*shard*/, base::Offset /*position*/) const {
    return std::nullopt;
  }
  /// Hands in what a commit carried. Before the first `read` of the shard since it is ours, in any
  /// order; also of shards that are gone.
  virtual void remember(base::ShardId /*shard*/, base::Offset /*position*/, const Mark& /*mark*/) {}
  /// Whether a record that comes again, because it was not committed, has the position that it had.
  virtual bool keeps_positions() const { return true; }
  /// Whether `end` is known to be the shard's end at this time: false while the source cannot be
  /// reached, or is behind.
  virtual bool is_current(base::ShardId /*shard*/) const { return true; }
  /// Why nothing can be read at the moment; empty: nothing is wrong.
  virtual std::string trouble() const { return {}; }

  /// What of the stream may be read here now; another object when it is another. Null: all of it,
  /// by this worker alone.
  virtual std::shared_ptr<const Share> share() const { return nullptr; }
  /// Of a shard that was leaving, or was lost: nothing of it is held any more.
  virtual void give_up(base::ShardId /*shard*/) {}

  /// Tells that every reader has committed up to `positions`: what lies before may be dropped.
  virtual base::Result<void> release(std::span<const base::Offset> positions) = 0;
};

}  // namespace millrace::source
