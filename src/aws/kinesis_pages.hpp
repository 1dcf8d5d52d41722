#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "aws/json_members.hpp"
#include "aws/kinesis.hpp"

// The JSON of Kinesis. Only the room's .cpp files include it.
namespace millrace::aws {

/// Errors  Unavailable: not a JSON object.
base::Result<nlohmann::json> parse_answer(std::string_view body, std::string_view operation);
/// Records, and where it goes on, of GetRecords and of SubscribeToShard.
base::Result<RecordPage> record_page(std::string_view body);

/// `StreamARN` if there is one, else `StreamName`.
nlohmann::json stream_field(const std::string& name, const std::string& arn);
std::string_view type_of(const ReadFrom& from);
double seconds_of(base::Time time);
base::Time time_of(const nlohmann::json& seconds);

}  // namespace millrace::aws
