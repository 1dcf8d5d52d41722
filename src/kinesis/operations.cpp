#include "kinesis/operations.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::kinesis {
namespace {

constexpr std::pair<std::string_view, Operation> kOperations[] = {
    {"AddTagsToStream", add_tags},
    {"CreateStream", create_stream},
    {"DecreaseStreamRetentionPeriod", decrease_retention},
    {"DeleteStream", delete_stream},
    {"DeregisterStreamConsumer", deregister_consumer},
    {"DescribeLimits", describe_limits},
    {"DescribeStream", describe_stream},
    {"DescribeStreamConsumer", describe_consumer},
    {"DescribeStreamSummary", describe_stream_summary},
    {"GetRecords", get_records},
    {"GetShardIterator", get_shard_iterator},
    {"IncreaseStreamRetentionPeriod", increase_retention},
    {"ListShards", list_shards},
    {"ListStreamConsumers", list_consumers},
    {"ListStreams", list_streams},
    {"ListTagsForResource", list_resource_tags},
    {"ListTagsForStream", list_tags},
    {"MergeShards", merge_shards},
    {"RegisterStreamConsumer", register_consumer},
    {"RemoveTagsFromStream", remove_tags},
    {"SplitShard", split_shard},
    {"TagResource", tag_resource},
    {"UntagResource", untag_resource},
    {"UpdateMaxRecordSize", update_record_size},
    {"UpdateShardCount", update_shard_count},
    {"UpdateStreamMode", update_mode},
};

}  // namespace

Operation find_operation(std::string_view name) {
  const auto found =
      std::ranges::find(kOperations, name, [](const auto& each) { return each.first; });
  return found == std::end(kOperations) ? nullptr : found->second;
}

}  // namespace millrace::kinesis
