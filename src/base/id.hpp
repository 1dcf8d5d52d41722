#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace millrace::base {

/// A number that cannot be mixed up with another kind of number.
template <class Tag>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(std::int64_t value) : value_(value) {}
  constexpr std::int64_t value() const { return value_; }
  constexpr Id next() const { return Id(value_ + 1); }
  constexpr Id plus(std::int64_t count) const { return Id(value_ + count); }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  std::int64_t value_ = 0;
};

/// Which shard of a stream, from 0.
using ShardId = Id<struct ShardTag>;
/// A record's position within its shard, from 0, without gaps in the embedded log.
using Offset = Id<struct OffsetTag>;
/// A version of a Delta table, from 0.
using TableVersion = Id<struct TableVersionTag>;

}  // namespace millrace::base

template <class Tag>
struct std::hash<millrace::base::Id<Tag>> {
  std::size_t operator()(millrace::base::Id<Tag> id) const noexcept {
    return std::hash<std::int64_t>{}(id.value());
  }
};
