// Enhanced fan-out: consumers and subscriptions.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "aws/event_decoder.hpp"
#include "aws/kinesis.hpp"
#include "aws/kinesis_pages.hpp"
#include "base/text.hpp"

namespace millrace::aws {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

namespace {

constexpr int kActiveAttempts = 60;
constexpr auto kActiveWait = std::chrono::seconds(1);
// An event comes every five seconds at least.
constexpr auto kSilenceMax = std::chrono::seconds(30);

/// What a message of the stream says instead of records.
ServiceError exception_of(const EventMessage& message) {
  ServiceError error{.status = 400, .code = std::string(message.header(":exception-type"))};
  if (error.code.empty()) error.code = std::string(message.header(":error-code"));
  error.message = std::string(message.header(":error-message"));
  const auto body = Json::parse(message.payload, nullptr, false);
  if (body.is_object() && error.message.empty()) {
    error.message = text_of(body, "message");
  }
  if (error.code == "InternalFailureException") error.status = 500;
  return error;
}

}  // namespace

Result<std::string> Kinesis::consumer(const std::string& consumer, const std::stop_token& stop) {
  if (consumer.starts_with("arn:")) return consumer;
  const auto stream_arn = arn_.empty() ? TRY(describe(stop)).arn : arn_;
  const auto input = Json{{"StreamARN", stream_arn}, {"ConsumerName", consumer}}.dump();
  bool is_asked_for = false;
  for (int attempt = 0; attempt < kActiveAttempts; ++attempt) {
    if (attempt > 0 && !pause(kActiveWait, stop)) return Error{Code::Cancelled, "stopped"};
    auto body = ask("DescribeStreamConsumer", input, stop);
    if (!body && body.error().code == Code::NotFound && !is_asked_for) {
      auto registered = ask("RegisterStreamConsumer", input, stop);
      // Another of us may have been faster.
      if (!registered && registered.error().code != Code::Exhausted) return registered.error();
      is_asked_for = true;
      continue;
    }
    if (!body && body.error().code == Code::NotFound) continue;
    if (!body) return body.error();
    const auto answer = TRY(parse_answer(*body, "DescribeStreamConsumer"));
    const auto description = answer.value("ConsumerDescription", Json::object());
    if (text_of(description, "ConsumerStatus") == "ACTIVE") {
      return text_of(description, "ConsumerARN");
    }
  }
  return Error{Code::Unavailable,
               fmt::format("the consumer '{}' of Kinesis stream '{}' does not become active",
                           base::printable(consumer), name_)};
}

Result<void> Kinesis::subscribe(const std::string& consumer_arn, const std::string& shard,
                                const ReadFrom& from, const OnPage& on_page,
                                const std::stop_token& stop) {
  Json start{{"Type", type_of(from)}};
  if (!from.sequence_number.empty()) start["SequenceNumber"] = from.sequence_number;
  if (from.what == ReadFrom::What::Time) start["Timestamp"] = seconds_of(from.time);
  auto call = call_of("SubscribeToShard", Json{{"ConsumerARN", consumer_arn},
                                               {"ShardId", shard},
                                               {"StartingPosition", std::move(start)}}
                                              .dump());
  call.silence_max = kSilenceMax;
  EventDecoder decoder;
  const auto on_message = [&](const EventMessage& message) -> Result<void> {
    if (message.header(":message-type") != "event") {
      return refused(exception_of(message), "SubscribeToShard");
    }
    if (message.header(":event-type") != "SubscribeToShardEvent") return {};
    return on_page(TRY(record_page(message.payload)));
  };
  const auto outcome = TRY(client_->stream(
      call,
      [&](const http::ResponseHead&, std::string_view piece) {
        return decoder.feed(piece, on_message);
      },
      stop));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    return refused(*error, "SubscribeToShard");
  }
  return {};
}

}  // namespace millrace::aws
