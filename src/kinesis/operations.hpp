#pragma once

#include <memory>
#include <string_view>

#include "kinesis/call.hpp"

namespace millrace::kinesis {

/// Does what a call asks and writes the answer; nothing written: an answer without a body.
/// It may block.
using Operation = base::Result<void> (*)(const Context& context, const Call& call,
                                         DocumentWriter& out);

/// Null: not one of these.
Operation find_operation(std::string_view name);

// stream_operations.cpp
base::Result<void> create_stream(const Context&, const Call&, DocumentWriter&);
base::Result<void> delete_stream(const Context&, const Call&, DocumentWriter&);
base::Result<void> describe_stream(const Context&, const Call&, DocumentWriter&);
base::Result<void> describe_stream_summary(const Context&, const Call&, DocumentWriter&);
base::Result<void> list_streams(const Context&, const Call&, DocumentWriter&);
base::Result<void> describe_limits(const Context&, const Call&, DocumentWriter&);
base::Result<void> increase_retention(const Context&, const Call&, DocumentWriter&);
base::Result<void> decrease_retention(const Context&, const Call&, DocumentWriter&);
base::Result<void> update_record_size(const Context&, const Call&, DocumentWriter&);
base::Result<void> update_mode(const Context&, const Call&, DocumentWriter&);

// shard_operations.cpp
base::Result<void> list_shards(const Context&, const Call&, DocumentWriter&);
base::Result<void> split_shard(const Context&, const Call&, DocumentWriter&);
base::Result<void> merge_shards(const Context&, const Call&, DocumentWriter&);
base::Result<void> update_shard_count(const Context&, const Call&, DocumentWriter&);
/// `{"ShardId": …}`, as lists of shards have it.
void write_shard(const log::Stream& stream, const log::StreamFile& file, base::ShardId shard,
                 DocumentWriter& out);
/// Not yet so long closed that its records are gone.
bool is_visible(const log::ShardInfo& shard, base::Time horizon);

// read_operations.cpp
base::Result<void> get_shard_iterator(const Context&, const Call&, DocumentWriter&);
base::Result<void> get_records(const Context&, const Call&, DocumentWriter&);

// tag_operations.cpp
base::Result<void> add_tags(const Context&, const Call&, DocumentWriter&);
base::Result<void> remove_tags(const Context&, const Call&, DocumentWriter&);
base::Result<void> list_tags(const Context&, const Call&, DocumentWriter&);
base::Result<void> tag_resource(const Context&, const Call&, DocumentWriter&);
base::Result<void> untag_resource(const Context&, const Call&, DocumentWriter&);
base::Result<void> list_resource_tags(const Context&, const Call&, DocumentWriter&);

// consumer_operations.cpp
base::Result<void> register_consumer(const Context&, const Call&, DocumentWriter&);
base::Result<void> deregister_consumer(const Context&, const Call&, DocumentWriter&);
base::Result<void> describe_consumer(const Context&, const Call&, DocumentWriter&);
base::Result<void> list_consumers(const Context&, const Call&, DocumentWriter&);

// put_operations.cpp: answered when the records are durable; these do not block.
void put_record(const Context& context, std::shared_ptr<Call> call);
void put_records(const Context& context, std::shared_ptr<Call> call);

}  // namespace millrace::kinesis
