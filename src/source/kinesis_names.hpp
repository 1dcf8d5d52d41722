#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/kinesis.hpp"
#include "base/id.hpp"
#include "log/hash_key.hpp"

namespace millrace::source {

/// `shardId-000000000007` is shard 7.
/// Errors  Invalid: it is named in another way.
base::Result<base::ShardId> shard_number(std::string_view name);

/// Which keys are the shard's own; none: it does not say.
std::optional<log::HashRange> hash_range_of(const aws::ShardInfo& shard);

/// Which life of a stream it is: when that was made, in milliseconds.
std::string incarnation_of(const aws::StreamSummary& stream);

}  // namespace millrace::source
