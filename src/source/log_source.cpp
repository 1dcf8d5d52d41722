#include "source/log_source.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::Result;
using base::ShardId;

class LogSource final : public Source {
 public:
  explicit LogSource(log::Stream& stream) : stream_(stream) {}

  const std::string& incarnation() const override { return stream_.incarnation(); }
  int shard_count() const override { return stream_.shard_count(); }
  bool is_closed(ShardId shard) const override {
    return !stream_.description()->shards.at(shard).is_open();
  }
  std::vector<ShardId> parents(ShardId shard) const override {
    std::vector<ShardId> parents;
    const auto description = stream_.description();
    const auto& info = description->shards.at(shard);
    if (info.parent) parents.push_back(*info.parent);
    if (info.adjacent_parent) parents.push_back(*info.adjacent_parent);
    return parents;
  }
  Offset oldest(ShardId shard) const override { return stream_.oldest(shard); }
  Offset end(ShardId shard) const override { return stream_.end(shard); }
  Result<base::RecordBatch> read(ShardId shard, Offset from, std::uint64_t bytes_max) override {
    return stream_.read(shard, from, bytes_max);
  }
  bool wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override {
    return stream_.wait_beyond(positions, timeout, std::move(stop));
  }
  Result<void> release(std::span<const Offset> positions) override {
    return stream_.release(positions);
  }

 private:
  log::Stream& stream_;
};

}  // namespace

std::unique_ptr<Source> make_log_source(log::Stream& stream) {
  return std::make_unique<LogSource>(stream);
}

}  // namespace millrace::source
