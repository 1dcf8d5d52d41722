#include "kinesis/call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "kinesis/fault.hpp"

namespace millrace::kinesis {

using base::Error;
using base::Level;
using base::Result;

namespace {

constexpr std::string_view content_type(Encoding encoding) {
  return encoding == Encoding::Json ? "application/x-amz-json-1.1" : "application/x-amz-cbor-1.1";
}

}  // namespace

Call::Call(std::shared_ptr<http::Exchange> exchange, std::string operation, Encoding encoding)
    : exchange_(std::move(exchange)),
      operation_(std::move(operation)),
      encoding_(encoding),
      account_(account_of(exchange_->request().headers.value("Authorization"))) {}

const std::string* Call::text(std::string_view name) const {
  const Value* value = input_.find(name);
  return value ? &value->text : nullptr;
}

std::optional<std::int64_t> Call::integer(std::string_view name) const {
  const Value* value = input_.find(name);
  return value ? std::optional(value->integer) : std::nullopt;
}

std::optional<base::Time> Call::time(std::string_view name) const {
  const auto micros = integer(name);
  if (!micros) return std::nullopt;
  return base::Time(std::chrono::microseconds(*micros));
}

http::Headers Call::headers(const Context& context) const {
  const std::string id = context.random.uuid();
  return {{"Content-Type", std::string(content_type(encoding_))},
          {"x-amzn-RequestId", id},
          {"x-amz-id-2", id}};
}

void Call::count(const Context& context, std::string_view outcome) const {
  context.telemetry.metrics
      .counter("millrace_kinesis_requests_total", "Requests of the Kinesis API, by outcome.",
               {{"operation", operation_}, {"outcome", std::string(outcome)}})
      .add();
}

void Call::answer(const Context& context, std::string document) {
  count(context, "ok");
  exchange_->answer({.status = 200, .headers = headers(context), .body = std::move(document)});
}

void Call::fail(const Context& context, const Error& error) {
  const Error told = as_fault(error);
  count(context, told.place);
  context.telemetry.log.write(
      told.place == kInternalFailure ? Level::Error : Level::Debug, "kinesis.refused",
      {{"operation", operation_}, {"error", told.place}, {"message", error.text()}});
  DocumentWriter document(encoding_);
  document.begin_object();
  document.text("__type", told.place);
  document.text(told.place == kSerialization ? "Message" : "message", told.message);
  document.end_object();
  auto fields = headers(context);
  fields.add("x-amzn-ErrorType", told.place);
  exchange_->answer(
      {.status = status_of(told), .headers = std::move(fields), .body = document.take()});
}

Error no_stream(const Call& call, std::string_view name) {
  return fault(kResourceNotFound, fmt::format("Stream {} under account {} not found.",
                                              base::printable(name), call.account().id));
}

Result<Subject> subject_of(const Context& context, const Call& call) {
  const std::string* name = call.text("StreamName");
  const std::string* arn = call.text("StreamARN");
  if (!name && !arn) {
    return fault(kInvalidArgument, "StreamName or StreamARN must be given to name the stream.");
  }
  std::string stream_name = name ? *name : "";
  if (arn) {
    const auto parts = parse_arn(*arn);
    if (!parts || !parts->consumer.empty() || (name && parts->stream != *name)) {
      return fault(kInvalidArgument, "StreamARN and StreamName name different streams.");
    }
    stream_name = parts->stream;
  }
  auto stream = context.streams.find(stream_name);
  if (!stream) return no_stream(call, stream_name);
  return Subject{std::move(stream), stream_name,
                 arn ? *arn : stream_arn(call.account(), stream_name)};
}

Result<Subject> subject_of_arn(const Context& context, const std::string& arn) {
  const auto parts = parse_arn(arn);
  auto stream = parts ? context.streams.find(parts->stream) : nullptr;
  if (!stream) return fault(kResourceNotFound, fmt::format("Stream {} not found.", arn));
  return Subject{std::move(stream), parts->stream, parts->stream_arn};
}

Result<base::ShardId> shard_of(const Call& call, const Subject& subject,
                               const log::StreamFile& file, std::string_view name) {
  const auto shard = parse_shard_name(name);
  if (shard && file.shards.has(*shard)) return *shard;
  return fault(kResourceNotFound,
               fmt::format("Could not find shard {} in stream {} under account {}.",
                           base::printable(name), subject.name, call.account().id));
}

base::Time horizon_of(const log::StreamFile& file, base::Time now) {
  return std::max(file.created_at, now - file.retention);
}

}  // namespace millrace::kinesis
