#include "aws/kinesis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "aws/kinesis_pages.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace millrace::aws {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

namespace {

constexpr int kShardsOfPage = 1000;
constexpr std::size_t kShardsMax = 100'000;
constexpr int kPutAttempts = 5;

bool is_stream_name(std::string_view name) {
  const auto is_fine = [](unsigned char c) {
    return (std::isalnum(c) != 0 && c < 0x80) || c == '_' || c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, is_fine);
}

/// `arn:aws:kinesis:eu-west-1:123456789012:stream/orders` in its parts.
std::vector<std::string> arn_parts(const std::string& arn) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; parts.size() < 5;) {
    const auto end = arn.find(':', at);
    if (end == std::string::npos) return {};
    parts.push_back(arn.substr(at, end - at));
    at = end + 1;
    if (parts.size() == 5) parts.push_back(arn.substr(at));
  }
  return parts;
}

ShardInfo shard_of(const Json& shard) {
  ShardInfo info{.id = text_of(shard, "ShardId"),
                 .parent = text_of(shard, "ParentShardId"),
                 .adjacent_parent = text_of(shard, "AdjacentParentShardId")};
  if (const auto range = shard.find("HashKeyRange"); range != shard.end()) {
    info.first_hash_key = text_of(*range, "StartingHashKey");
    info.last_hash_key = text_of(*range, "EndingHashKey");
  }
  return info;
}

}  // namespace

Result<Kinesis> Kinesis::open(Client& client, const KinesisOptions& options) {
  std::string name = options.stream;
  std::string region = options.region;
  const bool is_arn = name.starts_with("arn:");
  if (is_arn) {
    const auto parts = arn_parts(name);
    const bool is_stream =
        parts.size() == 6 && parts[2] == "kinesis" && parts[5].starts_with("stream/");
    if (!is_stream) {
      return Error{Code::Invalid,
                   "not a stream's ARN, like arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
                   base::printable(options.stream)};
    }
    name = parts[5].substr(std::string_view("stream/").size());
    if (region.empty()) region = parts[3];
  }
  if (!is_stream_name(name)) {
    return Error{Code::Invalid, "not a stream's name: 1 to 128 letters, digits, '_', '.' and '-'",
                 base::printable(name)};
  }
  Kinesis stream(client, std::move(name), is_arn ? options.stream : "");
  stream.region_ = region;
  Settings settings = client.settings();
  if (!region.empty()) settings.region = region;
  stream.endpoint_ = TRY(settings.endpoint(kKinesis));
  return stream;
}

Call Kinesis::call_of(const std::string& operation, std::string body) const {
  return {.service = kKinesis,
          .request = {.method = "POST",
                      .headers = {{"Content-Type", "application/x-amz-json-1.1"},
                                  {"X-Amz-Target",
                                   fmt::format("{}.{}", kKinesis.json_target, operation)}},
                      .body = std::move(body)},
          .endpoint = endpoint_,
          .region = region_,
          .silence_max = std::chrono::seconds(30),
          .body_bytes_max = 32_MiB};
}

Error Kinesis::refused(const ServiceError& error, const std::string& operation) const {
  auto told = error.as_error(fmt::format("Kinesis stream '{}': {}", name_, operation));
  if (error.code == "ResourceInUseException" || error.code == "LimitExceededException") {
    told.code = Code::Exhausted;
  }
  return told;
}

Result<std::string> Kinesis::ask(const std::string& operation, std::string body,
                                 const std::stop_token& stop) {
  auto outcome = TRY(client_->call(call_of(operation, std::move(body)), stop)
                         .context(fmt::format("Kinesis stream '{}'", name_)));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) return refused(*error, operation);
  return std::move(std::get<http::Response>(outcome).body);
}

Result<StreamSummary> Kinesis::describe(const std::stop_token& stop) {
  const auto body = TRY(ask("DescribeStreamSummary", stream_field(name_, arn_).dump(), stop));
  const auto answer = TRY(parse_answer(body, "DescribeStreamSummary"));
  const auto found = answer.find("StreamDescriptionSummary");
  if (found == answer.end() || !found->is_object() || !found->contains("StreamCreationTimestamp")) {
    return Error{Code::Unavailable, fmt::format("Kinesis stream '{}': no summary in an answer of "
                                                "DescribeStreamSummary",
                                                name_)};
  }
  const auto hours = found->value("RetentionPeriodHours", Json());
  return StreamSummary{.arn = text_of(*found, "StreamARN"),
                       .status = text_of(*found, "StreamStatus"),
                       .created_at = time_of((*found)["StreamCreationTimestamp"]),
                       .retention = std::chrono::hours(hours.is_number() ? hours.get<int>() : 24)};
}

Result<std::vector<ShardInfo>> Kinesis::list_shards(const std::stop_token& stop) {
  std::vector<ShardInfo> shards;
  Json input = stream_field(name_, arn_);
  for (;;) {
    input["MaxResults"] = kShardsOfPage;
    const auto body = TRY(ask("ListShards", input.dump(), stop));
    const auto answer = TRY(parse_answer(body, "ListShards"));
    for (const auto& shard : answer.value("Shards", Json::array())) {
      shards.push_back(shard_of(shard));
    }
    const auto token = text_of(answer, "NextToken");
    if (token.empty()) return shards;
    if (shards.size() > kShardsMax) {
      return Error{Code::Exhausted,
                   fmt::format("Kinesis stream '{}' has more than {} shards", name_, kShardsMax)};
    }
    input = Json{{"NextToken", token}};
  }
}

Result<std::string> Kinesis::shard_iterator(const std::string& shard, const ReadFrom& from,
                                            const std::stop_token& stop) {
  Json input = stream_field(name_, arn_);
  input["ShardId"] = shard;
  input["ShardIteratorType"] = type_of(from);
  if (!from.sequence_number.empty()) input["StartingSequenceNumber"] = from.sequence_number;
  if (from.what == ReadFrom::What::Time) input["Timestamp"] = seconds_of(from.time);
  const auto body = TRY(ask("GetShardIterator", input.dump(), stop));
  const auto answer = TRY(parse_answer(body, "GetShardIterator"));
  auto iterator = text_of(answer, "ShardIterator");
  if (iterator.empty()) return Error{Code::Unavailable, "GetShardIterator answered without one"};
  return iterator;
}

Result<std::optional<RecordPage>> Kinesis::records(const std::string& iterator, int records_max,
                                                   const std::stop_token& stop) {
  Json input{{"ShardIterator", iterator}, {"Limit", records_max}};
  if (!arn_.empty()) input["StreamARN"] = arn_;
  auto outcome = TRY(client_->call(call_of("GetRecords", input.dump()), stop)
                         .context(fmt::format("Kinesis stream '{}'", name_)));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    if (error->code == "ExpiredIteratorException") return std::optional<RecordPage>();
    return refused(*error, "GetRecords");
  }
  return std::optional(TRY(record_page(std::get<http::Response>(outcome).body)));
}

Result<void> Kinesis::put(std::vector<PutEntry> entries, const std::stop_token& stop) {
  std::string why;
  for (int attempt = 1; attempt <= kPutAttempts && !entries.empty(); ++attempt) {
    const auto wait = std::chrono::milliseconds(50 << attempt);
    if (attempt > 1 && !pause(wait, stop)) return Error{Code::Cancelled, "stopped"};
    Json input = stream_field(name_, arn_);
    auto& records = input["Records"] = Json::array();
    for (const auto& entry : entries) {
      std::string data;
      base::append_base64(entry.data, data);
      records.push_back({{"PartitionKey", entry.partition_key}, {"Data", std::move(data)}});
    }
    const auto body = TRY(ask("PutRecords", input.dump(), stop));
    const auto answer = TRY(parse_answer(body, "PutRecords"));
    const auto results = answer.value("Records", Json::array());
    std::vector<PutEntry> again;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i < results.size() && !results[i].contains("ErrorCode")) continue;
      if (i < results.size()) why = results[i]["ErrorCode"].dump();
      again.push_back(std::move(entries[i]));
    }
    entries = std::move(again);
  }
  if (entries.empty()) return {};
  return Error{Code::Exhausted, fmt::format("Kinesis stream '{}' refused {} records: {}", name_,
                                            entries.size(), base::printable(why))};
}

}  // namespace millrace::aws
