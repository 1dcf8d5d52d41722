#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/aggregated_record.hpp"
#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"
#include "kinesis/sequence_number.hpp"

namespace millrace::kinesis {

using base::Code;
using base::Error;
using base::Result;
using log::NewRecord;

namespace {

constexpr std::size_t kUserRecordsMax = 500'000;
constexpr std::size_t kRequestBytesMax = std::size_t{10} << 20;

std::string_view text_or_empty(const Value& value, std::string_view name) {
  const Value* found = value.find(name);
  return found ? std::string_view(found->text) : std::string_view();
}

NewRecord keyed(const log::Stream& stream, const log::ShardMap& map, std::string_view key,
                std::string_view data) {
  const auto place = stream.place(map, key);
  return {place.shard, key, data, place.hash_key};
}

/// What an append is made of; its views point into the call's input.
struct Batch {
  std::uint64_t record_bytes_max = 0;  ///< of data and key of an entry
  std::vector<NewRecord> records = {};
  std::vector<std::size_t> ends = {};  ///< of each entry of the input, in `records`
  std::size_t bytes = 0;
};

// What the KPL put into one record for a source becomes records of its own: they are rows of its
// tables, each with its position (docs/decisions/005-aggregated-records.md). False: it is not such.
bool add_user_records(const log::Stream& stream, const log::ShardMap& map, std::string_view data,
                      Batch& batch) {
  if (stream.origin() != log::Origin::Pipeline) return false;
  const auto users = base::user_records(data);
  if (!users) return false;
  const auto start = batch.records.size();
  for (const auto& user : *users) {
    auto record = keyed(stream, map, user.partition_key, user.data);
    if (user.explicit_hash_key) {
      const auto hash_key = log::parse_decimal(*user.explicit_hash_key);
      if (!hash_key) {
        batch.records.resize(start);
        return false;
      }
      record.hash_key = *hash_key;
      record.shard = map.route(*hash_key);
    }
    batch.records.push_back(record);
  }
  return true;
}

/// Adds one entry of the input.
/// Errors  ValidationException, InvalidArgumentException.
Result<void> add_entry(const log::Stream& stream, const log::ShardMap& map, const Value& entry,
                       Batch& batch) {
  const std::string_view key = text_or_empty(entry, "PartitionKey");
  const std::string_view data = text_or_empty(entry, "Data");
  if (data.size() + key.size() > batch.record_bytes_max) {
    return fault(kValidation,
                 fmt::format("1 validation error detected: Value at 'data' failed to satisfy "
                             "constraint: Member must have length less than or equal to {}",
                             batch.record_bytes_max));
  }
  batch.bytes += data.size() + key.size();
  const bool is_taken_apart = add_user_records(stream, map, data, batch);
  const Value* explicit_key = entry.find("ExplicitHashKey");
  if (!is_taken_apart && explicit_key) {
    const auto hash_key = log::parse_decimal(explicit_key->text);
    if (!hash_key) {
      return fault(kInvalidArgument,
                   fmt::format("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, "
                               "2^128-1]. Specified value was {}",
                               explicit_key->text));
    }
    batch.records.push_back({map.route(*hash_key), key, data, *hash_key});
  } else if (!is_taken_apart) {
    batch.records.push_back(keyed(stream, map, key, data));
  }
  if (batch.records.size() > kUserRecordsMax) {
    return fault(kInvalidArgument,
                 fmt::format("More than {} aggregated records in one request.", kUserRecordsMax));
  }
  batch.ends.push_back(batch.records.size());
  return {};
}

/// Gives each of the records that were appended its sequence number, in their order.
class Numbers {
 public:
  Numbers(const log::Stream& stream, const std::vector<log::OffsetRange>& ranges)
      : map_(stream.shard_map()) {
    for (const auto& range : ranges) next_[range.shard] = range.first;
  }
  std::string next(base::ShardId shard) {
    auto& offset = next_.at(shard);
    const auto number = SequenceNumber::of(shard, map_->at(shard).created_at, offset);
    offset = offset.next();
    return number.text();
  }

 private:
  const std::shared_ptr<const log::ShardMap> map_;
  std::map<base::ShardId, base::Offset> next_;
};

struct Failure {
  std::string_view code;
  std::string message;
};

// Of a record that the log did not take. What may be in the log all the same is no throughput
// matter: a client that repeats it may double it, as with AWS.
Failure failure_of(const Call& call, const Subject& subject, const Error& error) {
  if (error.code == Code::Exhausted) {
    return {kThroughputExceeded, fmt::format("Rate exceeded in stream {} under account {}: {}.",
                                             subject.name, call.account().id, error.message)};
  }
  return {kInternalFailure, "Internal Service Failure: " + error.message};
}

void count(const Context& context, const Subject& subject, std::size_t records) {
  context.telemetry.metrics
      .counter("millrace_kinesis_records_total",
               "Records that were acknowledged over Kinesis' API.", {{"stream", subject.name}})
      .add(static_cast<double>(records));
}

}  // namespace

void put_record(const Context& context, std::shared_ptr<Call> call) {
  auto subject = subject_of(context, *call);
  if (!subject) return call->fail(context, subject.error());
  const auto stream = subject->stream;
  Batch batch{.record_bytes_max = stream->description()->record_bytes_max};
  if (auto added = add_entry(*stream, *stream->shard_map(), call->input(), batch); !added) {
    return call->fail(context, added.error());
  }
  // The call keeps what the record's views point into, until it is answered.
  stream->append(std::move(batch.records), call,
                 [&context, call, subject = *subject](Result<std::vector<log::OffsetRange>> ranges,
                                                      std::span<const NewRecord> put) {
                   if (!ranges) {
                     const auto failure = failure_of(*call, subject, ranges.error());
                     return call->fail(context, fault(failure.code, failure.message));
                   }
                   count(context, subject, put.size());
                   Numbers numbers(*subject.stream, *ranges);
                   std::string number;  // of the last one
                   for (const auto& record : put) number = numbers.next(record.shard);
                   DocumentWriter out(call->encoding());
                   out.begin_object();
                   out.text("ShardId", shard_name(put.back().shard));
                   out.text("SequenceNumber", number);
                   out.text("EncryptionType", "NONE");
                   out.end_object();
                   call->answer(context, out.take());
                 });
}

namespace {

void answer_failed(const Context& context, Call& call, const Failure& failure,
                   std::size_t records) {
  DocumentWriter out(call.encoding());
  out.begin_object();
  out.integer("FailedRecordCount", static_cast<std::int64_t>(records));
  out.begin_list("Records");
  for (std::size_t i = 0; i < records; ++i) {
    out.begin_object();
    out.text("ErrorCode", failure.code);
    out.text("ErrorMessage", failure.message);
    out.end_object();
  }
  out.end_list();
  out.end_object();
  call.answer(context, out.take());
}

// Each entry has the number of its last record: what comes after it was not part of it.
void answer_put(const Context& context, Call& call, Numbers numbers,
                std::span<const NewRecord> records, const std::vector<std::size_t>& ends) {
  DocumentWriter out(call.encoding());
  out.reserve(ends.size() * 128 + 64);
  out.begin_object();
  out.integer("FailedRecordCount", 0);
  out.begin_list("Records");
  std::size_t next = 0;
  for (const auto end : ends) {
    std::string number;
    for (; next < end; ++next) number = numbers.next(records[next].shard);
    out.begin_object();
    out.text("SequenceNumber", number);
    out.text("ShardId", shard_name(records[end - 1].shard));
    out.end_object();
  }
  out.end_list();
  out.text("EncryptionType", "NONE");
  out.end_object();
  call.answer(context, out.take());
}

}  // namespace

void put_records(const Context& context, std::shared_ptr<Call> call) {
  auto subject = subject_of(context, *call);
  if (!subject) return call->fail(context, subject.error());
  const auto stream = subject->stream;
  const auto map = stream->shard_map();
  Batch batch{.record_bytes_max = stream->description()->record_bytes_max};
  for (const auto& entry : call->input().find("Records")->items) {
    if (auto added = add_entry(*stream, *map, entry, batch); !added) {
      return call->fail(context, added.error());
    }
  }
  if (batch.bytes > kRequestBytesMax) {
    return call->fail(context,
                      fault(kInvalidArgument,
                            fmt::format("Records size exceeds {} bytes limit.", kRequestBytesMax)));
  }
  stream->append(std::move(batch.records), call,
                 [&context, call, subject = *subject, ends = std::move(batch.ends)](
                     Result<std::vector<log::OffsetRange>> ranges, std::span<const NewRecord> put) {
                   if (!ranges) {
                     return answer_failed(context, *call,
                                          failure_of(*call, subject, ranges.error()), ends.size());
                   }
                   count(context, subject, put.size());
                   answer_put(context, *call, Numbers(*subject.stream, *ranges), put, ends);
                 });
}

}  // namespace millrace::kinesis
