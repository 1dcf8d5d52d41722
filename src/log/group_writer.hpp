#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "log/format.hpp"

namespace millrace::log {

/// Where a group goes.
struct GroupPlace {
  base::Offset base;          ///< of its first record
  std::uint64_t file_at = 0;  ///< the segment's size
  std::uint64_t seed = 0;     ///< the segment's
};

/// Encodes the records that one write and one sync make durable. Where they go need not be known
/// before the last one is in.
/// Threads: one at a time.
class GroupWriter {
 public:
  void add(std::string_view partition_key, std::string_view bytes, base::Time received_at);
  std::uint32_t record_count() const { return record_count_; }
  bool is_empty() const { return batches_.empty(); }

  /// Writes the headers; the bytes are good until the next `clear`. A group without records is one
  /// empty batch: it says that all before it is on stable storage.
  std::string_view finish(const GroupPlace& place);
  /// Of the finished group, oldest first.
  const std::vector<BatchHeader>& batches() const { return headers_; }

  /// Empties the writer for the next group; keeps its memory unless that was unusually much.
  void clear();

 private:
  struct Batch {
    std::size_t at = 0;  // in buffer_
    std::uint32_t record_count = 0;
    base::Time received_at;
  };
  void begin_batch(base::Time received_at);

  std::string buffer_;
  std::vector<Batch> batches_;
  std::vector<BatchHeader> headers_;
  std::uint32_t record_count_ = 0;
};

}  // namespace millrace::log
