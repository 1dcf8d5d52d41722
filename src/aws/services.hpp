#pragma once

#include <string_view>

namespace millrace::aws {

/// How a service is named in its different places.
struct Service {
  std::string_view id;               ///< as in AWS_ENDPOINT_URL_<ID> and profiles
  std::string_view endpoint_prefix;  ///< `monitoring`.eu-west-1.amazonaws.com
  std::string_view signing_name;
  std::string_view json_target = {};    ///< JSON services: what stands before the operation
  std::string_view json_version = {};   ///< `1.1`
  std::string_view query_version = {};  ///< services of the query protocol: `Version`
};

inline constexpr Service kS3{.id = "s3", .endpoint_prefix = "s3", .signing_name = "s3"};
inline constexpr Service kKinesis{.id = "kinesis",
                                  .endpoint_prefix = "kinesis",
                                  .signing_name = "kinesis",
                                  .json_target = "Kinesis_20131202",
                                  .json_version = "1.1"};
inline constexpr Service kDynamoDb{.id = "dynamodb",
                                   .endpoint_prefix = "dynamodb",
                                   .signing_name = "dynamodb",
                                   .json_target = "DynamoDB_20120810",
                                   .json_version = "1.0"};
inline constexpr Service kCloudWatch{.id = "cloudwatch",
                                     .endpoint_prefix = "monitoring",
                                     .signing_name = "monitoring",
                                     .json_target = "GraniteServiceVersion20100801",
                                     .json_version = "1.0",
                                     .query_version = "2010-08-01"};
inline constexpr Service kRedshiftData{.id = "redshift_data",
                                       .endpoint_prefix = "redshift-data",
                                       .signing_name = "redshift-data",
                                       .json_target = "RedshiftData",
                                       .json_version = "1.1"};
inline constexpr Service kGlue{.id = "glue",
                               .endpoint_prefix = "glue",
                               .signing_name = "glue",
                               .json_target = "AWSGlue",
                               .json_version = "1.1"};
inline constexpr Service kLambda{
    .id = "lambda", .endpoint_prefix = "lambda", .signing_name = "lambda"};
inline constexpr Service kSqs{.id = "sqs",
                              .endpoint_prefix = "sqs",
                              .signing_name = "sqs",
                              .json_target = "AmazonSQS",
                              .json_version = "1.0"};
inline constexpr Service kSns{
    .id = "sns", .endpoint_prefix = "sns", .signing_name = "sns", .query_version = "2010-03-31"};
inline constexpr Service kSts{
    .id = "sts", .endpoint_prefix = "sts", .signing_name = "sts", .query_version = "2011-06-15"};

}  // namespace millrace::aws
