#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "source/source.hpp"

namespace millrace::source {

/// A place in a shard as Kinesis knows it.
struct KinesisPlace {
  std::string after;      ///< a sequence number, read whole; empty: where the shard's reading began
  std::int64_t skip = 0;  ///< so many user records behind it were taken too

  bool operator==(const KinesisPlace&) const = default;
};

/// Packs it: three words have the sequence number, of up to 189 bits, the highest first; the fourth
/// has `skip`. docs/formats/lake.md, "Marks".
/// Shape   none: not a sequence number that fits.
std::optional<Mark> mark_of(const KinesisPlace& place);
KinesisPlace place_of(const Mark& mark);

/// Compares two sequence numbers as the numbers that they are.
bool is_before(std::string_view a, std::string_view b);

}  // namespace millrace::source
