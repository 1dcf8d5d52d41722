#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "aws/kinesis.hpp"
#include "source/kinesis_shard.hpp"
#include "source/source.hpp"

namespace millrace::source {

/// The life of a source whose records are numbered as they arrive, by whoever takes them.
inline constexpr std::string_view kArrivals = "lambda";

struct HandedSourceOptions {
  enum class Numbering : std::uint8_t {
    Sequence,  ///< a shard's records are known by their sequence numbers: Kinesis
    Arrival,   ///< they are numbered as they come: who hands them in twice has them twice
  };
  std::string name;         ///< of the source, for messages
  std::string incarnation;  ///< which life of the stream
  int shard_count = 0;
  Numbering numbering = Numbering::Sequence;
  bool accepts_lost_records = false;  ///< go on where records between two commits never came
};

/// A stream whose records somebody hands in, a batch of one shard at a time, and wants to know when
/// all tables have committed them: AWS Lambda. Any number of processes do so; where a shard stands
/// is asked of the tables for each batch, as that of a shard which was just given to us.
/// docs/formats/kinesis_source.md, "Records that are handed in".
/// Threads: safe from any; of one shard, one batch at a time.
class HandedSource final : public Source {
 public:
  explicit HandedSource(HandedSourceOptions options);

  /// Hands in `records` of a shard, oldest first, with their sequence numbers unless they are
  /// numbered as they come. What is left of the shard's last batch is void.
  void hand(base::ShardId shard, aws::StreamRecords records);
  /// Of a shard that was made since: which keys are its own.
  void set_range(base::ShardId shard, std::optional<log::HashRange> range);
  /// Waits until all tables that run have taken the batch.
  /// Errors  Unavailable: not in time. NotFound: records before it never came.
  base::Result<void> wait_taken(base::ShardId shard, std::chrono::steady_clock::time_point until);
  /// Nobody reads any more: who waits gets this error, now and from now on.
  void fail(const base::Error& error);
  /// How many of the batch's records all tables have committed, from its first on.
  std::size_t committed(base::ShardId shard) const;
  /// Nothing of the batch is held any more.
  void take_back(base::ShardId shard);

  const std::string& incarnation() const override { return options_.incarnation; }
  int shard_count() const override;
  base::Offset oldest(base::ShardId shard) const override;
  base::Offset end(base::ShardId shard) const override;
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t bytes_max) override;
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override;
  std::optional<Mark> mark(base::ShardId shard, base::Offset position) const override;
  void remember(base::ShardId shard, base::Offset position, const Mark& mark) override;
  bool keeps_positions() const override {
    return options_.numbering == HandedSourceOptions::Numbering::Sequence;
  }
  void wake() override;
  std::shared_ptr<const Share> share() const override;
  base::Result<void> release(std::span<const base::Offset> positions) override;

 private:
  /// One shard, and its batch.
  struct Lane {
    explicit Lane(base::ShardId id) : shard(id, std::nullopt) {}
    KinesisShard shard;
    std::shared_ptr<const aws::StreamRecords> records;  // of the batch
    std::vector<base::Offset> ends;                     // of each of them, once they are placed
    bool is_new = false;                                // nobody was woken for it yet
    bool is_placed = false;  // false: where the tables stand is not known yet
    bool is_taken = false;
    std::optional<base::Offset> committed = {};  // by all tables
    // Where a table begins that has no position: what tables told, not what was read here and came
    // to nothing.
    std::optional<base::Offset> oldest = {};
    std::optional<base::Error> gap = {};  // records before the batch never came

    bool is_empty() const { return !records || records->records.empty(); }
  };
  // These: the caller holds mutex_.
  Lane& at(base::ShardId shard) const { return *lanes_[static_cast<std::size_t>(shard.value())]; }
  void grow(std::size_t count);
  void place(Lane& lane) const;
  base::RecordBatch skip_gap(Lane& lane, base::Offset from);

  const HandedSourceOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // All below: guarded by mutex_.
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::optional<base::Error> failure_;
  std::uint64_t wakes_ = 0;
  std::shared_ptr<const Share> share_ = std::make_shared<Share>();
  std::uint64_t gifts_ = 0;
};

}  // namespace millrace::source
