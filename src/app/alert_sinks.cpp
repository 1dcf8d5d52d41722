#include "app/alert_sinks.hpp"

#include <fmt/format.h>

#include <mutex>

#include "aws/messages.hpp"
#include "aws/session.hpp"
#include "http/web_client.hpp"
#include "http/webhook.hpp"
#include "source/kafka_producer.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Result;
using flow::AlertAttempt;
using flow::OutgoingAlert;
using What = flow::AlertAttempt::What;

/// Posts each message: docs/alerts.md, "Webhooks".
class WebhookSink final : public flow::AlertSink {
 public:
  WebhookSink(config::WebhookTarget target, std::unique_ptr<http::WebClient> web,
              const base::Clock& clock)
      : target_(std::move(target)), web_(std::move(web)), clock_(clock) {}

  std::size_t messages_max() const override { return 1; }
  std::size_t calls_max() const override { return static_cast<std::size_t>(target_.connections); }

  std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                 const std::stop_token& stop) override {
    std::vector<AlertAttempt> attempts;
    for (const auto& message : messages) attempts.push_back(post(message, stop));
    return attempts;
  }

 private:
  http::Headers headers_of(const OutgoingAlert& message) const {
    const auto timestamp =
        std::chrono::floor<std::chrono::seconds>(clock_.now()).time_since_epoch().count();
    http::Headers headers{{"Content-Type", "application/json"},
                          {"User-Agent", "millrace/" MILLRACE_VERSION},
                          {"webhook-id", std::string(message.id)},
                          {"webhook-timestamp", std::to_string(timestamp)}};
    std::string signatures;
    for (const auto& secret : target_.secrets) {
      if (!signatures.empty()) signatures += ' ';
      signatures += http::webhook_signature(secret, message.id, timestamp, message.body);
    }
    if (!signatures.empty()) headers.add("webhook-signature", signatures);
    for (const auto& [name, value] : target_.headers) headers.set(name, value);
    return headers;
  }

  AlertAttempt post(const OutgoingAlert& message, const std::stop_token& stop) {
    const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(target_.timeout);
    const auto ignore = [](const http::ResponseHead&, std::string_view) { return Result<void>(); };
    const auto answer = web_->stream({.method = "POST",
                                      .url = target_.url,
                                      .headers = headers_of(message),
                                      .body = message.body,
                                      .connect_deadline = timeout,
                                      .silence_max = timeout,
                                      .deadline = timeout,
                                      .peers = http::WebRequest::Peers::NotLinkLocal},
                                     ignore, stop);
    if (!answer) {
      const bool is_final = answer.error().code == Code::Denied;
      return {is_final ? What::Dead : What::Retry, answer.error().message};
    }
    const int status = answer->status;
    if (status >= 200 && status < 300) return {};
    AlertAttempt attempt{.what = What::Dead,
                         .error = fmt::format("the receiver answered with {}", status)};
    if (status == 408 || status == 425 || status == 429 || status >= 500) {
      attempt.what = What::Retry;
      attempt.retry_after = http::retry_after(answer->headers.value("Retry-After"), clock_.now());
    }
    return attempt;
  }

  const config::WebhookTarget target_;
  const std::unique_ptr<http::WebClient> web_;
  const base::Clock& clock_;
};

/// A line of the program's log for each message.
class LogSink final : public flow::AlertSink {
 public:
  LogSink(const config::LogTarget& target, base::EventLog& log)
      : level_(target.level == "error"  ? base::Level::Error
               : target.level == "warn" ? base::Level::Warn
                                        : base::Level::Info),
        log_(log) {}

  std::size_t messages_max() const override { return 100; }
  std::size_t calls_max() const override { return 1; }
  std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                 const std::stop_token&) override {
    for (const auto& message : messages) {
      base::Field body("message", message.body);
      body.is_text = false;  // it is JSON
      log_.write(level_, "alert.sent", {{"alert", message.alert}, {"id", message.id}, body});
    }
    return std::vector<AlertAttempt>(messages.size());
  }

 private:
  const base::Level level_;
  base::EventLog& log_;
};

/// A topic of Kafka. One call at a time keeps what has one key in order.
class KafkaSink final : public flow::AlertSink {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  explicit KafkaSink(std::unique_ptr<source::KafkaProducer> producer)
      : producer_(std::move(producer)) {}

  std::size_t messages_max() const override { return source::KafkaProducer::kMessagesMax; }
  std::size_t calls_max() const override { return 1; }

  std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                 const std::stop_token& stop) override {
    std::vector<source::KafkaMessage> entries;
    for (const auto& message : messages) {
      entries.push_back({message.id, message.group, message.body});
    }
    const std::lock_guard lock(mutex_);
    std::vector<AlertAttempt> attempts;
    for (auto& put : producer_->put(entries, stop)) {
      const auto what = put.what == source::KafkaPut::What::Done      ? What::Sent
                        : put.what == source::KafkaPut::What::Refused ? What::Dead
                                                                      : What::Retry;
      attempts.push_back({what, std::move(put.error)});
    }
    return attempts;
  }

 private:
  std::mutex mutex_;  // what is sent again by hand comes from another thread
  const std::unique_ptr<source::KafkaProducer> producer_;  // Guarded by mutex_.
};

/// A service of AWS that takes messages in batches.
class AwsSink final : public flow::AlertSink {
 public:
  using Put = std::function<std::vector<aws::MessagePut>(
      aws::Client&, std::span<const aws::Message>, const std::stop_token&)>;
  struct Kind {
    std::size_t messages_max = 10;
    bool keeps_order = false;  ///< of a group: one call at a time
    bool has_partitions = false;
    Put put;
  };

  AwsSink(std::unique_ptr<aws::Session> session, Kind kind)
      : session_(std::move(session)), kind_(std::move(kind)) {}

  std::size_t messages_max() const override { return kind_.messages_max; }
  std::size_t calls_max() const override { return kind_.keeps_order ? 1 : 4; }

  std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                 const std::stop_token& stop) override {
    std::vector<aws::Message> entries;
    for (const auto& message : messages) {
      entries.push_back(
          {message.id, message.body, kind_.has_partitions ? message.group : message.order});
    }
    std::vector<AlertAttempt> attempts;
    for (auto& put : kind_.put(session_->client(), entries, stop)) {
      const auto what = put.what == aws::MessagePut::What::Done      ? What::Sent
                        : put.what == aws::MessagePut::What::Refused ? What::Dead
                                                                     : What::Retry;
      attempts.push_back({what, std::move(put.error)});
    }
    return attempts;
  }

 private:
  const std::unique_ptr<aws::Session> session_;
  const Kind kind_;
};

// A place names its own region, and the URL of a queue its own server.
Result<std::unique_ptr<flow::AlertSink>> open_aws(const std::string& place,
                                                  const aws::Service& service, AwsSink::Kind kind,
                                                  World& world) {
  auto environment = aws::process_environment();
  if (auto region = aws::region_of(place); !region.empty()) {
    environment["AWS_REGION"] = std::move(region);
  }
  const auto host = place.find("://");
  if (host != std::string::npos && !environment.contains("AWS_ENDPOINT_URL_SQS") &&
      !environment.contains("AWS_ENDPOINT_URL")) {
    environment["AWS_ENDPOINT_URL_SQS"] = place.substr(0, place.find('/', host + 3));
  }
  auto session = TRY(
      aws::Session::open(std::move(environment), "", world.clock, world.random, world.telemetry()));
  TRY(session->settings().endpoint(service));
  return std::unique_ptr<flow::AlertSink>(
      std::make_unique<AwsSink>(std::move(session), std::move(kind)));
}

}  // namespace

Result<std::unique_ptr<flow::AlertSink>> open_alert_sink(const config::Alert&,
                                                         const config::AlertTarget& target,
                                                         World& world) {
  using Sink = Result<std::unique_ptr<flow::AlertSink>>;
  if (const auto* webhook = std::get_if<config::WebhookTarget>(&target.to)) {
    auto web = TRY(http::WebClient::open());
    return Sink(std::make_unique<WebhookSink>(*webhook, std::move(web), world.clock));
  }
  if (const auto* log = std::get_if<config::LogTarget>(&target.to)) {
    return Sink(std::make_unique<LogSink>(*log, world.log));
  }
  if (const auto* kafka = std::get_if<config::KafkaTarget>(&target.to)) {
    auto producer = TRY(source::KafkaProducer::open(*kafka, KafkaSink::kPatience));
    return Sink(std::make_unique<KafkaSink>(std::move(producer)));
  }
  if (const auto* sns = std::get_if<config::SnsTarget>(&target.to)) {
    return open_aws(sns->topic, aws::kSns,
                    {.messages_max = aws::kSnsMessagesMax,
                     .keeps_order = sns->topic.ends_with(".fifo"),
                     .put =
                         [topic = sns->topic](auto& client, auto messages, const auto& stop) {
                           return aws::publish_to_topic(client, topic, messages, stop);
                         }},
                    world);
  }
  if (const auto* sqs = std::get_if<config::SqsTarget>(&target.to)) {
    return open_aws(sqs->queue, aws::kSqs,
                    {.messages_max = aws::kSqsMessagesMax,
                     .keeps_order = sqs->queue.ends_with(".fifo"),
                     .put =
                         [queue = sqs->queue](auto& client, auto messages, const auto& stop) {
                           return aws::send_to_queue(client, queue, messages, stop);
                         }},
                    world);
  }
  const auto& stream = std::get<config::KinesisTarget>(target.to).stream;
  return open_aws(stream, aws::kKinesis,
                  {.messages_max = aws::kKinesisMessagesMax,
                   .has_partitions = true,
                   .put =
                       [stream](auto& client, auto messages, const auto& stop) {
                         return aws::put_to_stream(client, stream, messages, stop);
                       }},
                  world);
}

}  // namespace millrace::app
