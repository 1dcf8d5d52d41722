#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/place.hpp"

namespace millrace::deploy {

/// `checked_orders` as a part of a logical id: `CheckedOrders`. Two names never give the same.
std::string id_of(std::string_view name);
/// The parameter of a variable: `EnvFraudWebhook`.
std::string parameter_of(std::string_view variable);

/// `shop-prod`, and where small letters, digits and `-` alone are allowed.
std::string prefix_of(std::string_view pipeline, std::string_view stage);
std::string small_prefix_of(std::string_view pipeline, std::string_view stage);

/// The longest name that a kind of resource may have. What AWS puts in later counts with its
/// longest value: 12 digits of an account, 14 letters of a region.
struct NameLimit {
  std::string_view what;  ///< "a bucket"
  std::size_t bytes_max;
};
inline constexpr NameLimit kBucketName{"a bucket", 63};
inline constexpr NameLimit kFunctionName{"a Lambda function", 64};
inline constexpr NameLimit kRoleName{"an IAM role", 64};
inline constexpr NameLimit kStreamName{"a Kinesis stream", 128};
inline constexpr NameLimit kScheduleName{"a schedule", 64};
inline constexpr NameLimit kWorkgroupName{"a workgroup of Redshift Serverless", 64};
inline constexpr NameLimit kTableName{"a table of DynamoDB", 255};
inline constexpr NameLimit kTopicName{"an SNS topic", 256};
inline constexpr std::size_t kRegionBytesMax = 14;
inline constexpr std::size_t kAccountBytes = 12;

/// Errors  Invalid: `name` is too long, with the mend.
base::Result<void> check_name(const NameLimit& limit, const std::string& name,
                              const config::Place& place);

}  // namespace millrace::deploy
