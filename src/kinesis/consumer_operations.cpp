#include <fmt/format.h>

#include <algorithm>

#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"

namespace millrace::kinesis {

using base::Result;

namespace {

constexpr std::size_t kConsumersMax = 20;
constexpr std::size_t kConsumersListed = 100;

struct Consumer {
  Subject subject;
  std::string name;
  base::Time created_at;
};

base::Error no_consumer(const std::string& name, const std::string& arn) {
  return fault(kResourceNotFound, fmt::format("Consumer {} of stream {} not found.", name, arn));
}

// By ARN, or by the stream's ARN and the name.
Result<Consumer> consumer_of(const Context& context, const Call& call) {
  const auto* arn = call.text("ConsumerARN");
  const auto* of_stream = call.text("StreamARN");
  const auto* given_name = call.text("ConsumerName");
  if (!arn && !(of_stream && given_name)) {
    return fault(kInvalidArgument, "ConsumerARN, or StreamARN and ConsumerName, must be given.");
  }
  const auto parts = parse_arn(arn ? *arn : *of_stream);
  auto subject = TRY(subject_of_arn(context, arn ? *arn : *of_stream));
  const std::string name = arn ? parts->consumer : *given_name;
  const auto file = subject.stream->description();
  const auto found = file->consumers.find(name);
  if (found == file->consumers.end()) return no_consumer(name, subject.arn);
  if (arn && consumer_arn(subject.arn, name, found->second) != *arn) {
    return no_consumer(name, subject.arn);  // it was registered anew
  }
  return Consumer{std::move(subject), name, found->second};
}

void write_consumer(const Consumer& consumer, bool with_stream, DocumentWriter& out) {
  out.begin_object();
  out.text("ConsumerName", consumer.name);
  out.text("ConsumerARN", consumer_arn(consumer.subject.arn, consumer.name, consumer.created_at));
  out.text("ConsumerStatus", "ACTIVE");
  out.time("ConsumerCreationTimestamp", consumer.created_at);
  if (with_stream) out.text("StreamARN", consumer.subject.arn);
  out.end_object();
}

}  // namespace

Result<void> register_consumer(const Context& context, const Call& call, DocumentWriter& out) {
  auto subject = TRY(subject_of_arn(context, *call.text("StreamARN")));
  const std::string& name = *call.text("ConsumerName");
  const auto now = context.clock.now();
  TRY(subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    if (file.consumers.contains(name)) {
      return fault(kResourceInUse,
                   fmt::format("Consumer {} under stream {} already exists.", name, subject.arn));
    }
    if (file.consumers.size() >= kConsumersMax) {
      return fault(kLimitExceeded, fmt::format("Stream {} has {} consumers, which is the limit.",
                                               subject.arn, kConsumersMax));
    }
    file.consumers[name] = now;
    return {};
  }));
  out.begin_object();
  out.key("Consumer");
  write_consumer({std::move(subject), name, now}, false, out);
  out.end_object();
  return {};
}

Result<void> deregister_consumer(const Context& context, const Call& call,
                                 DocumentWriter& /*out*/) {
  const auto consumer = TRY(consumer_of(context, call));
  return consumer.subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    file.consumers.erase(consumer.name);
    return {};
  });
}

Result<void> describe_consumer(const Context& context, const Call& call, DocumentWriter& out) {
  const auto consumer = TRY(consumer_of(context, call));
  out.begin_object();
  out.key("ConsumerDescription");
  write_consumer(consumer, true, out);
  out.end_object();
  return {};
}

Result<void> list_consumers(const Context& context, const Call& call, DocumentWriter& out) {
  const auto subject = TRY(subject_of_arn(context, *call.text("StreamARN")));
  const auto limit =
      static_cast<std::size_t>(call.integer("MaxResults").value_or(kConsumersListed));
  std::string after;
  if (const auto* token = call.text("NextToken")) {
    const auto opened = context.tokens.open(TokenKind::Consumers, *token);
    if (!opened) return fault(kInvalidArgument, "NextToken is invalid.");
    if (context.clock.now() - opened->sealed_at > std::chrono::minutes(5)) {
      return fault(kExpiredToken, "NextToken has expired.");
    }
    after = opened->content;
  }
  const auto file = subject.stream->description();
  auto next = file->consumers.upper_bound(after);
  out.begin_object();
  out.begin_list("Consumers");
  for (std::size_t i = 0; i < limit && next != file->consumers.end(); ++i, ++next) {
    write_consumer({subject, next->first, next->second}, false, out);
    after = next->first;
  }
  out.end_list();
  if (next != file->consumers.end()) {
    out.text("NextToken", context.tokens.seal(TokenKind::Consumers, after, context.clock.now()));
  }
  out.end_object();
  return {};
}

}  // namespace millrace::kinesis
