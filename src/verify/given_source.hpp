#pragma once

#include <string>
#include <vector>

#include "source/source.hpp"

namespace millrace::verify {

/// A stream of one shard that holds given records and gets no more.
/// Threads: safe from any.
class GivenSource final : public source::Source {
 public:
  /// `records_per_read`: at most so many make a micro-batch.
  GivenSource(std::vector<std::string> records, base::Time received_at,
              std::size_t records_per_read)
      : records_(std::move(records)),
        received_at_(received_at),
        records_per_read_(records_per_read) {}

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override { return 1; }
  base::Offset oldest(base::ShardId shard) const override;
  base::Offset end(base::ShardId shard) const override;
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t bytes_max) override;
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override;
  base::Result<void> release(std::span<const base::Offset> positions) override;

 private:
  const std::string incarnation_ = "given";
  const std::vector<std::string> records_;
  const base::Time received_at_;
  const std::size_t records_per_read_;
};

}  // namespace millrace::verify
