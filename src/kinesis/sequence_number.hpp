#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/id.hpp"

namespace millrace::kinesis {

/// A place in a shard as Kinesis numbers it: 186 bits in decimal digits, in the layout that the KCL
/// takes apart. Hexadecimal: `2`, the shard's creation in seconds (9 digits), the shard's number
/// modulo 16 (1), the index (16), `00`, a time (9; here the shard's creation again), the shard's
/// number (8), `2`.
///
/// The index is the record's offset plus 1. 0 stands for the beginning of the shard, so that what
/// comes after a shard's StartingSequenceNumber is its first record.
///
/// Shard 1, created at 2026-11-21T12:00:00Z, offset 4095:
/// hexadecimal 2 06b0187c0 1 0000000000001000 00 06b0187c0 00000001 2.
struct SequenceNumber {
  base::ShardId shard;
  base::Time shard_created_at;
  std::int64_t index = 0;

  static SequenceNumber of(base::ShardId shard, base::Time shard_created_at, base::Offset offset) {
    return {shard, shard_created_at, offset.value() + 1};
  }
  /// The offset of the record itself; of the first one for the shard's beginning.
  base::Offset offset() const { return base::Offset(index > 0 ? index - 1 : 0); }
  /// The offset of the record after it.
  base::Offset offset_after() const { return base::Offset(index); }

  std::string text() const;
  /// None: it is none of ours.
  static std::optional<SequenceNumber> parse(std::string_view text);

  bool operator==(const SequenceNumber&) const = default;
};

}  // namespace millrace::kinesis
