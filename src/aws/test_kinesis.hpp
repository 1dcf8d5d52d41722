#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aws/test_aws.hpp"

namespace millrace::aws {

/// A message of an event stream, written another way than it is read.
std::string event_frame(const std::vector<std::pair<std::string, std::string>>& headers,
                        const std::string& payload);

/// What the KPL makes of records of one key: a record of its own.
std::string aggregated(const std::string& key, const std::vector<std::string>& records);

/// One data stream, `orders`, of one shard at first, behind the real protocol, with faults as a
/// test wants them. Threads: safe from any.
class FakeKinesis {
 public:
  FakeKinesis();
  ~FakeKinesis();

  std::string url() const;

  /// Each makes new shards, behind all others.
  void split(int shard);
  void merge(int shard, int other);
  void put(int shard, const std::string& data, const std::string& key = "k");
  /// Drops the oldest `count` records that are still there.
  void trim(int shard, std::size_t count);
  /// No longer lists a closed shard.
  void forget(int shard);
  /// Deletes the stream and makes it anew.
  void recreate();
  /// The next `count` calls of `operation` are answered with this error.
  void fail(const std::string& operation, const std::string& code, int count = 1, int status = 400);
  void expire_iterators();
  void name_shards(const std::string& prefix);
  /// What comes later arrives later.
  void advance(std::chrono::microseconds by);
  void limit_page(std::size_t records);
  int calls(const std::string& operation) const;
  /// The shards that were read, each time anew.
  std::vector<std::string> starts() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::aws
