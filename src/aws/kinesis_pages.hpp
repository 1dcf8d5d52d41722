#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "aws/kinesis.hpp"

// The JSON of Kinesis. Only the room's .cpp files include it.
namespace millrace::aws {

/// Errors  Unavailable: not a JSON object.
base::Result<nlohmann::json> parse_answer(std::string_view body, std::string_view operation);
/// Records, and where it goes on, of GetRecords and of SubscribeToShard.
base::Result<RecordPage> record_page(std::string_view body);

/// The text at `key`; empty if there is none.
std::string text_of(const nlohmann::json& object, const char* key);
/// `StreamARN` if there is one, else `StreamName`.
nlohmann::json stream_field(const std::string& name, const std::string& arn);
std::string_view type_of(const ReadFrom& from);
double seconds_of(base::Time time);
base::Time time_of(const nlohmann::json& seconds);

}  // namespace millrace::aws
