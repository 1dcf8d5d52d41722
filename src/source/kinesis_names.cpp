#include "source/kinesis_names.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;

namespace {

constexpr std::string_view kShardPrefix = "shardId-";
constexpr std::size_t kDigits = 12;
constexpr std::int64_t kShardNumberMax = 100'000;

}  // namespace

Result<ShardId> shard_number(std::string_view name) {
  const auto refused = [name] {
    return Error{Code::Invalid, fmt::format("the shard '{}' is named in another way than "
                                            "shardId-000000000000, up to number {}",
                                            base::printable(name), kShardNumberMax)};
  };
  if (!name.starts_with(kShardPrefix) || name.size() != kShardPrefix.size() + kDigits) {
    return refused();
  }
  std::int64_t number = 0;
  const auto digits = name.substr(kShardPrefix.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return refused();
  if (number < 0 || number > kShardNumberMax) return refused();
  return ShardId(number);
}

std::optional<log::HashRange> hash_range_of(const aws::ShardInfo& shard) {
  const auto first = log::parse_decimal(shard.first_hash_key);
  const auto last = log::parse_decimal(shard.last_hash_key);
  if (!first || !last) return std::nullopt;
  return log::HashRange{*first, *last};
}

std::string incarnation_of(const aws::StreamSummary& stream) {
  // Two lives of a stream differ in when they began.
  const auto made = std::chrono::floor<std::chrono::milliseconds>(stream.created_at);
  return fmt::format("{}", made.time_since_epoch().count());
}

}  // namespace millrace::source
