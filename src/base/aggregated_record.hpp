#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace millrace::base {

/// One of the records that a Kinesis Producer Library put into one record of Kinesis.
struct UserRecord {
  std::string_view partition_key;
  std::optional<std::string_view> explicit_hash_key;
  std::string_view data;
};

/// Takes a record of the KPL apart: F3 89 9A C2, a protobuf message AggregatedRecord, its MD5. The
/// views point into `data`.
/// Shape   none: it is no such record, or damaged; then it is to be taken as it is.
/// Source  amazon-kinesis-producer, aggregation-format.md.
std::optional<std::vector<UserRecord>> user_records(std::string_view data);

}  // namespace millrace::base
