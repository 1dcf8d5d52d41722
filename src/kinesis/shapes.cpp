// The service's model: what each operation takes. Source: the Kinesis API reference, and the
// service description (2013-12-02) that AWS' own clients are generated from.
#include "kinesis/shapes.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::kinesis {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '.' || c == '-';
  });
}

bool is_number(std::string_view text, std::size_t digits_max) {
  if (text == "0") return true;
  return !text.empty() && text.size() <= digits_max && text[0] != '0' &&
         std::ranges::all_of(text, is_digit);
}

// `arn:aws…:kinesis:…:123456789012:` and then `kind`, with something behind it.
bool is_arn(std::string_view text, std::string_view kind) {
  if (!text.starts_with("arn:aws")) return false;
  const auto service = text.find(":kinesis:");
  const auto resource = text.find(kind, service == text.npos ? text.size() : service);
  if (resource == text.npos || resource < 13 || text[resource - 1] != ':') return false;
  const auto account = text.substr(resource - 13, 12);
  const auto name = text.substr(resource + kind.size());
  return text[resource - 14] == ':' && std::ranges::all_of(account, is_digit) && !name.empty() &&
         std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) <= ' '; });
}

bool is_consumer_arn(std::string_view text) {
  const auto consumer = text.find("/consumer/");
  const auto colon = text.rfind(':');
  return is_arn(text, "stream/") && consumer != text.npos && colon > consumer + 10 &&
         is_name(text.substr(consumer + 10, colon - consumer - 10)) && colon + 1 < text.size() &&
         std::ranges::all_of(text.substr(colon + 1), is_digit);
}

constexpr Pattern kNamePattern{"[a-zA-Z0-9_.-]+", is_name};
constexpr Pattern kHashKeyPattern{"0|([1-9]\\d{0,38})",
                                  [](std::string_view text) { return is_number(text, 39); }};
constexpr Pattern kSequencePattern{"0|([1-9]\\d{0,128})",
                                   [](std::string_view text) { return is_number(text, 129); }};
constexpr Pattern kStreamArnPattern{"arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+",
                                    [](std::string_view text) { return is_arn(text, "stream/"); }};
constexpr Pattern kConsumerArnPattern{
    "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/"
    "[a-zA-Z0-9_.-]+:[0-9]+",
    is_consumer_arn};

constexpr Shape kName{.min = 1, .max = 128, .pattern = &kNamePattern};
constexpr Shape kStreamArn{.min = 1, .max = 2048, .pattern = &kStreamArnPattern};
constexpr Shape kConsumerArn{.min = 1, .max = 2048, .pattern = &kConsumerArnPattern};
constexpr Shape kHashKey{.pattern = &kHashKeyPattern};
constexpr Shape kSequenceNumber{.pattern = &kSequencePattern};
constexpr Shape kPartitionKey{.min = 1, .max = 256};
constexpr Shape kData{.type = Type::Blob, .min = 0, .max = 10485760};
constexpr Shape kBoolean{.type = Type::Boolean};
constexpr Shape kTimestamp{.type = Type::Timestamp};
constexpr Shape kInteger{.type = Type::Integer};
constexpr Shape kPositive{.type = Type::Integer, .min = 1};
constexpr Shape kLimit10000{.type = Type::Integer, .min = 1, .max = 10000};
constexpr Shape kRecordSize{.type = Type::Integer, .min = 1024, .max = 10240};
constexpr Shape kThroughput{.type = Type::Integer, .min = 0};
constexpr Shape kTagKey{.min = 1, .max = 128};
constexpr Shape kTagValue{.min = 0, .max = 256};
constexpr Shape kTags{
    .type = Type::TextMap, .min = 1, .max = 200, .item = &kTagValue, .map_key = &kTagKey};
constexpr Shape kTagKeys{.type = Type::List, .min = 1, .max = 50, .item = &kTagKey};
constexpr Shape kNextToken{.min = 1, .max = 1048576};
constexpr Shape kIterator{.min = 1, .max = 512};

constexpr std::string_view kModes[] = {"PROVISIONED", "ON_DEMAND"};
constexpr Shape kMode{.words = kModes};
constexpr Member kModeMembers[] = {{"StreamMode", &kMode, Need::Required}};
constexpr Shape kModeDetails{.type = Type::Structure, .members = kModeMembers};

constexpr std::string_view kScalings[] = {"UNIFORM_SCALING"};
constexpr Shape kScaling{.words = kScalings};

constexpr std::string_view kIteratorTypes[] = {"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER",
                                               "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"};
constexpr Shape kIteratorType{.words = kIteratorTypes};

constexpr std::string_view kFilterTypes[] = {"AFTER_SHARD_ID",    "AT_TRIM_HORIZON",
                                             "FROM_TRIM_HORIZON", "AT_LATEST",
                                             "AT_TIMESTAMP",      "FROM_TIMESTAMP"};
constexpr Shape kFilterType{.words = kFilterTypes};
constexpr Member kFilterMembers[] = {
    {"Type", &kFilterType, Need::Required}, {"ShardId", &kName}, {"Timestamp", &kTimestamp}};
constexpr Shape kFilter{.type = Type::Structure, .members = kFilterMembers};

constexpr Member kEntryMembers[] = {{"Data", &kData, Need::Required},
                                    {"ExplicitHashKey", &kHashKey},
                                    {"PartitionKey", &kPartitionKey}};
constexpr Shape kEntry{.type = Type::Structure, .members = kEntryMembers};
constexpr Shape kEntries{.type = Type::List, .min = 1, .max = 500, .item = &kEntry};

constexpr Member kPositionMembers[] = {{"Type", &kIteratorType, Need::Required},
                                       {"SequenceNumber", &kSequenceNumber},
                                       {"Timestamp", &kTimestamp}};
constexpr Shape kPosition{.type = Type::Structure, .members = kPositionMembers};

constexpr Member kStreamName{"StreamName", &kName};
constexpr Member kStreamArnMember{"StreamARN", &kStreamArn};

constexpr Member kCreateStream[] = {
    {"StreamName", &kName, Need::Required}, {"ShardCount", &kPositive},
    {"StreamModeDetails", &kModeDetails},   {"Tags", &kTags},
    {"WarmThroughputMiBps", &kThroughput},  {"MaxRecordSizeInKiB", &kRecordSize}};
constexpr Member kDeleteStream[] = {
    kStreamName, kStreamArnMember, {"EnforceConsumerDeletion", &kBoolean}};
constexpr Member kDescribeStream[] = {
    kStreamName, kStreamArnMember, {"Limit", &kLimit10000}, {"ExclusiveStartShardId", &kName}};
constexpr Member kStreamOnly[] = {kStreamName, kStreamArnMember};
constexpr Member kListStreams[] = {
    {"Limit", &kLimit10000}, {"ExclusiveStartStreamName", &kName}, {"NextToken", &kNextToken}};
constexpr Member kListShards[] = {kStreamName,
                                  kStreamArnMember,
                                  {"NextToken", &kNextToken},
                                  {"ExclusiveStartShardId", &kName},
                                  {"MaxResults", &kLimit10000},
                                  {"StreamCreationTimestamp", &kTimestamp},
                                  {"ShardFilter", &kFilter}};
constexpr Member kPutRecord[] = {kStreamName,
                                 kStreamArnMember,
                                 {"Data", &kData, Need::Required},
                                 {"PartitionKey", &kPartitionKey},
                                 {"ExplicitHashKey", &kHashKey},
                                 {"SequenceNumberForOrdering", &kSequenceNumber}};
constexpr Member kPutRecords[] = {
    {"Records", &kEntries, Need::Required}, kStreamName, kStreamArnMember};
constexpr Member kGetShardIterator[] = {kStreamName,
                                        kStreamArnMember,
                                        {"ShardId", &kName, Need::Required},
                                        {"ShardIteratorType", &kIteratorType, Need::Required},
                                        {"StartingSequenceNumber", &kSequenceNumber},
                                        {"Timestamp", &kTimestamp}};
constexpr Member kGetRecords[] = {
    {"ShardIterator", &kIterator, Need::Required}, {"Limit", &kLimit10000}, kStreamArnMember};
constexpr Member kSplitShard[] = {kStreamName,
                                  kStreamArnMember,
                                  {"ShardToSplit", &kName, Need::Required},
                                  {"NewStartingHashKey", &kHashKey, Need::Required}};
constexpr Member kMergeShards[] = {kStreamName,
                                   kStreamArnMember,
                                   {"ShardToMerge", &kName, Need::Required},
                                   {"AdjacentShardToMerge", &kName, Need::Required}};
constexpr Member kUpdateShardCount[] = {kStreamName,
                                        kStreamArnMember,
                                        {"TargetShardCount", &kPositive, Need::Required},
                                        {"ScalingType", &kScaling, Need::Required}};
constexpr Member kRetention[] = {
    kStreamName, kStreamArnMember, {"RetentionPeriodHours", &kInteger, Need::Required}};
constexpr Member kUpdateRecordSize[] = {kStreamArnMember,
                                        {"MaxRecordSizeInKiB", &kRecordSize, Need::Required}};
constexpr Member kUpdateMode[] = {{"StreamARN", &kStreamArn, Need::Required},
                                  {"StreamModeDetails", &kModeDetails, Need::Required},
                                  {"WarmThroughputMiBps", &kThroughput}};
constexpr Member kAddTags[] = {kStreamName, kStreamArnMember, {"Tags", &kTags, Need::Required}};
constexpr Member kRemoveTags[] = {
    kStreamName, kStreamArnMember, {"TagKeys", &kTagKeys, Need::Required}};
constexpr Shape kTagLimit{.type = Type::Integer, .min = 1, .max = 50};
constexpr Member kListTags[] = {
    kStreamName, kStreamArnMember, {"ExclusiveStartTagKey", &kTagKey}, {"Limit", &kTagLimit}};
constexpr Member kTagResource[] = {{"ResourceARN", &kStreamArn, Need::Required},
                                   {"Tags", &kTags, Need::Required}};
constexpr Member kUntagResource[] = {{"ResourceARN", &kStreamArn, Need::Required},
                                     {"TagKeys", &kTagKeys, Need::Required}};
constexpr Member kListResourceTags[] = {{"ResourceARN", &kStreamArn, Need::Required}};
constexpr Member kRegisterConsumer[] = {{"StreamARN", &kStreamArn, Need::Required},
                                        {"ConsumerName", &kName, Need::Required},
                                        {"Tags", &kTags}};
constexpr Member kConsumer[] = {
    kStreamArnMember, {"ConsumerName", &kName}, {"ConsumerARN", &kConsumerArn}};
constexpr Member kListConsumers[] = {{"StreamARN", &kStreamArn, Need::Required},
                                     {"NextToken", &kNextToken},
                                     {"MaxResults", &kLimit10000},
                                     {"StreamCreationTimestamp", &kTimestamp}};
constexpr Member kSubscribe[] = {{"ConsumerARN", &kConsumerArn, Need::Required},
                                 {"ShardId", &kName, Need::Required},
                                 {"StartingPosition", &kPosition, Need::Required}};

constexpr Shape of(std::span<const Member> members) {
  return {.type = Type::Structure, .members = members};
}

constexpr std::pair<std::string_view, Shape> kOperations[] = {
    {"AddTagsToStream", of(kAddTags)},
    {"CreateStream", of(kCreateStream)},
    {"DecreaseStreamRetentionPeriod", of(kRetention)},
    {"DeleteStream", of(kDeleteStream)},
    {"DeregisterStreamConsumer", of(kConsumer)},
    {"DescribeLimits", of({})},
    {"DescribeStream", of(kDescribeStream)},
    {"DescribeStreamConsumer", of(kConsumer)},
    {"DescribeStreamSummary", of(kStreamOnly)},
    {"GetRecords", of(kGetRecords)},
    {"GetShardIterator", of(kGetShardIterator)},
    {"IncreaseStreamRetentionPeriod", of(kRetention)},
    {"ListShards", of(kListShards)},
    {"ListStreamConsumers", of(kListConsumers)},
    {"ListStreams", of(kListStreams)},
    {"ListTagsForResource", of(kListResourceTags)},
    {"ListTagsForStream", of(kListTags)},
    {"MergeShards", of(kMergeShards)},
    {"PutRecord", of(kPutRecord)},
    {"PutRecords", of(kPutRecords)},
    {"RegisterStreamConsumer", of(kRegisterConsumer)},
    {"RemoveTagsFromStream", of(kRemoveTags)},
    {"SplitShard", of(kSplitShard)},
    {"SubscribeToShard", of(kSubscribe)},
    {"TagResource", of(kTagResource)},
    {"UntagResource", of(kUntagResource)},
    {"UpdateMaxRecordSize", of(kUpdateRecordSize)},
    {"UpdateShardCount", of(kUpdateShardCount)},
    {"UpdateStreamMode", of(kUpdateMode)},
};

}  // namespace

const Shape* input_shape(std::string_view operation) {
  const auto found =
      std::ranges::find(kOperations, operation, [](const auto& each) { return each.first; });
  return found == std::end(kOperations) ? nullptr : &found->second;
}

}  // namespace millrace::kinesis
