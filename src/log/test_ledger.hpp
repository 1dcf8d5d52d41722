#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "log/test_stream.hpp"

namespace millrace::log {

/// What a test has given to a stream and what the stream promised; checks that it kept its word.
class Ledger {
 public:
  explicit Ledger(int shards) : shards_(static_cast<std::size_t>(shards)) {}

  /// Appends bodies that are like no other, to a shard. False: the stream refused.
  bool append(Stream& stream, std::size_t shard, int count) {
    std::vector<std::string> bodies;
    for (int i = 0; i < count; ++i) {
      bodies.push_back(fmt::format("{}:{}", shard, shards_[shard].given.size()));
      shards_[shard].given.push_back(bodies.back());
    }
    const auto done = stream.append_and_wait(records_of(bodies, static_cast<std::int64_t>(shard)));
    if (!done) return false;
    auto offset = done->at(0).first.value();
    for (const auto& body : bodies) shards_[shard].promised[offset++] = body;
    return true;
  }

  /// Lets the stream drop everything that it has.
  void release(Stream& stream) {
    std::vector<base::Offset> positions;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      positions.push_back(stream.end(base::ShardId(static_cast<std::int64_t>(i))));
      shards_[i].released = positions.back().value();
    }
    EXPECT_TRUE(stream.release(positions));
  }

  /// All that was acknowledged and not released is at its offset, nothing is invented or doubled,
  /// and the order is that of the appends. What is read now counts as promised from now on.
  void check(const Stream& stream, const std::string& when) {
    for (std::size_t i = 0; i < shards_.size(); ++i) check_shard(stream, i, when);
  }

 private:
  struct Shard {
    std::vector<std::string> given;
    std::map<std::int64_t, std::string> promised;  // by offset
    std::int64_t released = 0;
  };

  void check_shard(const Stream& stream, std::size_t index, const std::string& when) {
    Shard& shard = shards_[index];
    const auto id = static_cast<std::int64_t>(index);
    const base::Offset oldest = stream.oldest(base::ShardId(id));
    EXPECT_LE(oldest.value(), shard.released) << when;
    const auto bodies = bodies_of(stream, id, oldest);
    ASSERT_TRUE(bodies) << when << ": " << bodies.error().text();
    const std::int64_t end = oldest.value() + static_cast<std::int64_t>(bodies->size());
    EXPECT_EQ(end, stream.end(base::ShardId(id)).value()) << when;
    for (const auto& [offset, body] : shard.promised) {
      if (offset < oldest.value()) continue;
      ASSERT_LT(offset, end) << when << ": lost " << body;
      EXPECT_EQ(bodies->at(static_cast<std::size_t>(offset - oldest.value())), body) << when;
    }
    auto from = shard.given.begin();
    std::int64_t offset = oldest.value();
    for (const auto& body : *bodies) {
      from = std::find(from, shard.given.end(), body);
      ASSERT_NE(from, shard.given.end()) << when << ": invented, doubled or out of order: " << body;
      ++from;
      shard.promised[offset++] = body;
    }
  }

  std::vector<Shard> shards_;
};

}  // namespace millrace::log
