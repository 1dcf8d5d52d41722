#include "lambda/handler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "decode/split.hpp"
#include "http/compression.hpp"
#include "lambda/answers.hpp"
#include "lambda/events.hpp"
#include "lambda/firehose.hpp"
#include "source/kinesis_names.hpp"

namespace millrace::lambda {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;
using decode::EventRecord;
using decode::LambdaEvent;
using Kind = LambdaEvent::Kind;
using namespace std::chrono_literals;

namespace {

// What giving the answer and writing metrics may take.
constexpr auto kForTheAnswer = 40ms;
// With less than this there is no use in beginning.
constexpr auto kLeast = 60ms;
// Rejects of a transformation are put aside by Firehose; the log shows one now and then.
constexpr auto kRejectsToldEvery = 10s;
constexpr std::string_view kRecordsPath = "/v1/streams/";
constexpr std::string_view kRecordsEnd = "/records";

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::Kinesis:
      return "kinesis";
    case Kind::Sqs:
      return "sqs";
    case Kind::Firehose:
      return "firehose";
    case Kind::EventBridge:
      return "eventbridge";
    case Kind::Http:
      return "http";
    case Kind::Command:
      return "command";
  }
  return "";
}

aws::StreamRecord stream_record(const EventRecord& record) {
  return {.sequence_number = record.id,
          .arrived_at = record.arrived_at,
          .partition_key = record.key,
          .data = record.data};
}

// The sequence number of a shard's record, counted from its first one.
std::string number_of(const LambdaEvent& event, ShardId shard, std::size_t index) {
  for (const auto& record : event.records) {
    const auto own = source::shard_number(record.shard);
    if (own && *own == shard && index-- == 0) return std::string(record.id);
  }
  return "";
}

}  // namespace

Result<std::string> Handler::handle(const Invocation& invocation) {
  const auto begun = parts_.clock.steady_now();
  auto read = reader_.read(invocation.event);
  if (!read) {
    events::failed(parts_.telemetry, invocation.id, read.error());
    return read.error();
  }
  const auto kind = read->kind;
  const auto count = std::max<std::size_t>(read->records.size(), 1);
  const auto left = invocation.deadline - begun;
  auto answer =
      left < kLeast
          ? Error{Code::Unavailable,
                  fmt::format("the deadline is {} ms away: too near to begin; give the "
                              "function a longer timeout",
                              std::chrono::floor<std::chrono::milliseconds>(left).count())}
          : dispatch(std::move(*read), invocation.deadline - kForTheAnswer);
  if (!answer) events::failed(parts_.telemetry, invocation.id, answer.error());
  events::invoked(parts_.telemetry, name_of(kind), count, parts_.clock.steady_now() - begun);
  return answer;
}

Result<std::string> Handler::dispatch(LambdaEvent event, base::SteadyTime until) {
  switch (event.kind) {
    case Kind::Kinesis:
      return take_kinesis(std::move(event), until);
    case Kind::Sqs:
      return take_messages(std::move(event), until);
    case Kind::EventBridge:
      return take_event(std::move(event), until);
    case Kind::Http:
      return take_request(std::move(event), until);
    case Kind::Command:
      return parts_.command(event.command, until);
    case Kind::Firehose:
      return transform(event);
  }
  return Error{Code::Invalid, "an event of no known kind"};
}

Result<Handler::Target> Handler::stream_of(const std::string& arn) const {
  const auto wanted = decode::name_in_arn(arn);
  std::vector<std::string> known;
  for (const auto& source : parts_.pipeline.sources) {
    const auto* kinesis = std::get_if<config::KinesisSource>(&source.from);
    if (kinesis == nullptr) continue;
    known.push_back(kinesis->stream);
    if (kinesis->stream == arn || decode::name_in_arn(kinesis->stream) == wanted) {
      return Target{&source, parts_.sources.at(source.name)};
    }
  }
  return Error{Code::Invalid,
               fmt::format("no source of the pipeline reads the stream '{}'; it reads {}", wanted,
                           known.empty() ? "none" : base::join(known, ", "))};
}

// Where records go that name no stream of Kinesis.
Result<Handler::Target> Handler::open_target(std::string_view name) const {
  std::vector<const config::Source*> open;
  for (const auto& source : parts_.pipeline.sources) {
    if (!std::holds_alternative<config::LogSource>(source.from)) continue;
    if (source.name == name) return Target{&source, parts_.sources.at(source.name)};
    open.push_back(&source);
  }
  if (open.size() == 1) return Target{open[0], parts_.sources.at(open[0]->name)};
  return Error{
      Code::NotFound,
      fmt::format("no source `from: log` of the pipeline is named '{}', and {}: name the "
                  "queue, the event's source or the path after one of them",
                  base::printable(name), open.empty() ? "it has none at all" : "it has several")};
}

Result<std::string> Handler::take_kinesis(LambdaEvent event, base::SteadyTime until) {
  const auto target = TRY(stream_of(event.from));
  base::Time oldest = base::Time::max();
  Batch batch;
  std::string_view shard_text;
  aws::StreamRecords* records = nullptr;  // of that shard
  for (const auto& record : event.records) {
    if (records == nullptr || record.shard != shard_text) {
      const auto shard = TRY(source::shard_number(record.shard));
      if (shard.value() >= target.stream->shard_count()) {
        TRY(parts_.look_again(target.source->name));
      }
      shard_text = record.shard;
      records = &batch[shard];
      records->owner = event.owner;
      records->records.reserve(event.records.size());
    }
    oldest = std::min(oldest, record.arrived_at);
    records->records.push_back(stream_record(record));
  }
  std::vector<std::string> failed;
  std::size_t left = 0;
  std::optional<Error> why;
  for (const auto& [shard, taken] : intake_.take(*target.stream, std::move(batch), until)) {
    if (!taken.error) continue;
    failed.push_back(number_of(event, shard, taken.committed));
    left += taken.count - taken.committed;
    why = taken.error;
  }
  if (!why) {
    events::age(parts_.telemetry, target.source->name, parts_.clock.now() - oldest);
    return batch_answer({});
  }
  if (left == event.records.size()) return *why;  // so that it counts as a failure
  events::left_over(parts_.telemetry, name_of(event.kind), left, *why);
  return batch_answer(failed);
}

Taken Handler::take_arrivals(const Target& target, const LambdaEvent& event,
                             base::SteadyTime until) {
  Batch batch;
  auto& records = batch[slot_];
  records.owner = event.owner;
  std::ranges::transform(event.records, std::back_inserter(records.records), stream_record);
  return intake_.take(*target.stream, std::move(batch), until)[slot_];
}

Result<std::string> Handler::take_messages(LambdaEvent event, base::SteadyTime until) {
  const auto target = TRY(open_target(decode::name_in_arn(event.from)));
  const auto taken = take_arrivals(target, event, until);
  if (!taken.error) return batch_answer({});
  if (taken.committed == 0) return *taken.error;
  std::vector<std::string> failed;
  for (const auto& record : std::span(event.records).subspan(taken.committed)) {
    failed.emplace_back(record.id);
  }
  events::left_over(parts_.telemetry, name_of(event.kind), failed.size(), *taken.error);
  return batch_answer(failed);
}

Result<std::string> Handler::take_event(LambdaEvent event, base::SteadyTime until) {
  const auto target = TRY(open_target(event.from));
  const auto taken = take_arrivals(target, event, until);
  if (taken.error) return *taken.error;
  return std::string(R"({"records":1})");
}

// Firehose is told of each record, and keeps the rows.
Result<std::string> Handler::transform(const LambdaEvent& event) {
  const auto stream = decode::name_in_arn(event.from);
  auto* table = TRY(parts_.transform(stream));
  std::vector<base::Record> records;
  records.reserve(event.records.size());
  for (const auto& record : event.records) {
    records.push_back({.offset = base::Offset(0),
                       .received_at = record.arrived_at,
                       .partition_key = record.key,
                       .bytes = record.data});
  }
  const auto transformed = TRY(table->run(records));
  auto answer = firehose_answer(event.records, transformed);
  events::transformed(parts_.telemetry, stream, answer);
  for (const auto& one : transformed) {
    if (one.what != flow::Transformed::What::Rejected) continue;
    const auto now = parts_.clock.steady_now();
    if (now < tell_rejects_at_) break;
    tell_rejects_at_ = now + kRejectsToldEvery;
    events::transform_rejected(parts_.telemetry, stream, answer.failed - answer.too_large, one);
    break;
  }
  return std::move(answer.body);
}

namespace {

Result<decode::SplitBody> split(std::string_view body, std::string_view type,
                                const config::Source& source) {
  const decode::SplitLimits limits;
  if (source.format == config::Format::Csv) return decode::split_csv(body, source, limits);
  const bool is_json = type.substr(0, type.find(';')) == "application/json";
  return is_json ? decode::split_json(body, limits) : decode::split_ndjson(body, limits);
}

/// A body and what its records point to.
struct HeldBody {
  std::string bytes;
  decode::SplitBody split;
};

std::string http_error(const Error& error) {
  const auto status = status_of(error.code);
  return http_answer(status, http::problem(status, base::name_of(error.code), error.message).body);
}

}  // namespace

// A client's error is an answer: only what it should send again fails the invocation.
Result<std::string> Handler::take_request(LambdaEvent event, base::SteadyTime until) {
  auto& request = event.request;
  const std::string_view path = request.path;
  const auto around = kRecordsPath.size() + kRecordsEnd.size();
  if (path.size() <= around || !path.starts_with(kRecordsPath) || !path.ends_with(kRecordsEnd)) {
    return http_error({Code::NotFound, "records are posted to /v1/streams/{stream}/records"});
  }
  if (request.method != "POST") return http_answer(405, R"({"error":{"code":"invalid"}})");
  const auto name = path.substr(kRecordsPath.size(), path.size() - around);
  const auto target = open_target(name);
  if (!target) return http_error(target.error());
  const auto encoding = http::encoding_of(request.content_encoding);
  if (!encoding) return http_error({Code::Invalid, "this Content-Encoding is not known"});
  auto unpacked = http::decompress(*encoding, request.body);
  if (!unpacked) return http_error(unpacked.error());
  const auto body = std::make_shared<HeldBody>();
  body->bytes = std::move(*unpacked);
  auto records = split(body->bytes, request.content_type, *target->source);
  if (!records) return http_error(records.error());
  body->split = std::move(*records);
  event.owner = body;
  for (const auto record : body->split.records) {
    event.records.push_back(
        {.id = {}, .shard = {}, .key = {}, .data = record, .arrived_at = parts_.clock.now()});
  }
  if (!event.records.empty()) {
    const auto taken = take_arrivals(*target, event, until);
    if (taken.error) return http_error(*taken.error);
  }
  return http_answer(200, fmt::format(R"({{"records":{}}})", event.records.size()));
}

}  // namespace millrace::lambda
