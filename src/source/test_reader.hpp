#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <vector>

#include "source/source.hpp"

namespace millrace::source {

using namespace std::chrono_literals;
using base::Offset;
using base::ShardId;

/// Takes records as a worker does: parents before their children, and remembers how far it is.
class Reader {
 public:
  explicit Reader(Source& source) : source_(source) {}

  /// Reads until `count` records came in all, an error, or ten seconds are over.
  /// Shape   `shard/offset:data`, in the order in which they came.
  std::string read(std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (taken_ < count && error_.empty() && std::chrono::steady_clock::now() < end) {
      step();
      if (taken_ < count && error_.empty()) (void)source_.wait_beyond(wanted_, 20ms, {});
    }
    return text_ + error_;
  }
  /// Reads on for an error.
  std::string error() {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (error_.empty() && std::chrono::steady_clock::now() < end) {
      step();
      (void)source_.wait_beyond(wanted_, 20ms, {});
    }
    return error_;
  }
  void step() {
    positions_.resize(static_cast<std::size_t>(source_.shard_count()));
    finished_.resize(positions_.size());
    wanted_.assign(positions_.size(), Offset(INT64_MAX));
    for (std::size_t i = 0; i < positions_.size() && error_.empty(); ++i) {
      const ShardId shard(static_cast<std::int64_t>(i));
      if (finished_[i]) continue;
      bool has_to_wait = false;
      for (const auto parent : source_.parents(shard)) {
        has_to_wait = has_to_wait || !finished_[static_cast<std::size_t>(parent.value())];
      }
      if (has_to_wait) continue;
      finished_[i] = source_.is_closed(shard) && positions_[i] >= source_.end(shard);
      if (finished_[i]) continue;
      wanted_[i] = positions_[i];
      take(shard, i);
    }
  }
  std::vector<Offset>& positions() { return positions_; }

 private:
  void take(ShardId shard, std::size_t i) {
    const auto batch = source_.read(shard, positions_[i], 1 << 20);
    if (!batch) {
      error_ = batch.error().text();
      return;
    }
    for (const auto& record : batch->records) {
      text_ += fmt::format("{}/{}:{} ", i, record.offset.value(), record.bytes);
      ++taken_;
    }
    positions_[i] = wanted_[i] = batch->next;
  }

  Source& source_;
  std::vector<Offset> positions_;
  std::vector<bool> finished_;
  std::vector<Offset> wanted_;
  std::size_t taken_ = 0;
  std::string text_;
  std::string error_;
};

}  // namespace millrace::source
