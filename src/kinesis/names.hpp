#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "log/shard_map.hpp"

namespace millrace::kinesis {

/// Whose streams a request sees, and where: what stands in ARNs. We have one set of streams.
struct Account {
  std::string id = "000000000000";
  std::string region = "us-east-1";
};

/// The region of a signature's scope, and an access key of 12 digits as the account, as other local
/// servers have it.
/// Source: `AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-central-1/kinesis/aws4_request, …`.
Account account_of(std::string_view authorization);

/// `shardId-000000000007`
std::string shard_name(base::ShardId shard);
std::optional<base::ShardId> parse_shard_name(std::string_view name);

std::string stream_arn(const Account& account, std::string_view stream);
/// `…:stream/orders/consumer/reader:1795262400`
std::string consumer_arn(std::string_view stream_arn, std::string_view consumer,
                         base::Time created_at);

/// What an ARN of a stream or of one of its consumers names.
struct ArnParts {
  std::string stream_arn;
  std::string stream;
  std::string consumer;         ///< empty: the ARN is the stream's
  std::int64_t created_at = 0;  ///< of the consumer, in seconds
};
std::optional<ArnParts> parse_arn(std::string_view arn);

}  // namespace millrace::kinesis
