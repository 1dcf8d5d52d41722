#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"

namespace millrace::base {

/// What a sender wrote beside a record's bytes.
struct Header {
  std::string_view name;
  std::optional<std::string_view> value;  ///< none: null
};

/// One record of a stream, as it came: bytes, a partition key and an arrival time, at a position.
/// The views point into the batch that holds it.
struct Record {
  Offset offset;
  Time received_at;
  std::string_view partition_key;
  std::string_view bytes;
  std::span<const Header> headers = {};  ///< those that the pipeline asks for, each name once
};

/// Consecutive records of one shard, oldest first, and the memory that they point into.
/// `next` is the position after the last one: where to read on. It can lie beyond the last record
/// plus one where a source skips bytes that are no record (a file's blank lines).
struct RecordBatch {
  ShardId shard;
  std::vector<Record> records;
  Offset next;
  std::shared_ptr<const void> owner;
};

}  // namespace millrace::base
