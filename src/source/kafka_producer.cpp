#include "source/kafka_producer.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <utility>

#include "source/kafka_security.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Result;
using What = KafkaPut::What;

namespace {

// How often a stop is looked for.
constexpr int kLookMs = 20;
// Less than the topic's limit may be more than the brokers': they decide.
constexpr const char* kMessageBytesMax = "16777216";

// Of what no other try, to a broker that is up, would be different.
bool is_final(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
         code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
         code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
         code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

struct FreeConf {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};

void on_log(const rd_kafka_t* /*handle*/, int /*level*/, const char* /*facility*/,
            const char* /*text*/) {}

void on_error(rd_kafka_t* /*handle*/, int code, const char* reason, void* fault) {
  auto& text = *static_cast<std::string*>(fault);
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !text.empty()) return;
  text = reason == nullptr ? "" : reason;
}

}  // namespace

/// The messages of one call, of which some are on their way. It outlives them.
struct KafkaProducer::Call {
  struct Entry {
    Call* call = nullptr;
    bool is_decided = false;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  std::vector<Entry> entries;
  std::size_t open = 0;

  void decide(Entry& entry, rd_kafka_resp_err_t code) {
    entry.is_decided = true;
    entry.code = code;
  }
  static void delivered(rd_kafka_t* /*handle*/, const rd_kafka_message_t* message, void* /*self*/) {
    auto& entry = *static_cast<Entry*>(message->_private);
    entry.call->decide(entry, message->err);
    --entry.call->open;
  }
};

KafkaProducer::KafkaProducer(config::KafkaTarget target, std::chrono::milliseconds patience)
    : target_(std::move(target)), patience_(patience) {}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(const config::KafkaTarget& target,
                                                           std::chrono::milliseconds patience) {
  std::unique_ptr<KafkaProducer> producer(new KafkaProducer(target, patience));
  TRY(producer->connect());
  return producer;
}

KafkaProducer::~KafkaProducer() {
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

// What the file's options say must not change what we promise.
Result<void> KafkaProducer::connect() {
  std::map<std::string, std::string> all{{"client.id", "millrace"},
                                         {"reconnect.backoff.max.ms", "5000"}};
  for (const auto& [name, value] : target_.options) all[name] = value;
  all["bootstrap.servers"] = target_.brokers;
  all["enable.idempotence"] = "true";
  all["acks"] = "all";
  all["linger.ms"] = "1";
  all["message.max.bytes"] = kMessageBytesMax;
  all["message.timeout.ms"] = std::to_string(patience_.count());
  all["partitioner"] = "murmur2_random";
  all["compression.codec"] = "lz4";
  all["allow.auto.create.topics"] = "false";
  add_security(target_.security, all);
  std::array<char, 512> text{};
  std::unique_ptr<rd_kafka_conf_t, FreeConf> conf(rd_kafka_conf_new());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), text.data(), text.size()) ==
        RD_KAFKA_CONF_OK) {
      continue;
    }
    const bool is_secret = name.ends_with("password");
    return Error{
        Code::Invalid,
        fmt::format("{}: {}", name, is_secret ? "librdkafka refuses the value" : text.data())};
  }
  rd_kafka_conf_set_dr_msg_cb(conf.get(), Call::delivered);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  rd_kafka_conf_set_opaque(conf.get(), &fault_);
  handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text.data(), text.size());
  if (handle_ == nullptr) return Error{Code::Invalid, fmt::format("librdkafka: {}", text.data())};
  (void)conf.release();  // it is the handle's now
  return {};
}

void KafkaProducer::hand_over(const KafkaMessage& message, Call& call, std::size_t index) {
  auto& entry = call.entries[index];
  auto* headers = rd_kafka_headers_new(1);
  rd_kafka_header_add(headers, "id", 2, message.id.data(), static_cast<ssize_t>(message.id.size()));
  // The bytes are copied: a stop leaves the call before librdkafka is done with them.
  auto* value = const_cast<char*>(message.value.data());
  const auto code = rd_kafka_producev(
      handle_, RD_KAFKA_V_TOPIC(target_.topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
      RD_KAFKA_V_KEY(message.key.data(), message.key.size()),
      RD_KAFKA_V_VALUE(value, message.value.size()), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(&entry), RD_KAFKA_V_END);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++call.open;
    return;
  }
  rd_kafka_headers_destroy(headers);
  call.decide(entry, code);
}

std::vector<KafkaPut> KafkaProducer::put(std::span<const KafkaMessage> messages,
                                         const std::stop_token& stop) {
  fault_.clear();
  reconnect_after_fatal();
  auto puts = put_together(messages, stop);
  if (messages.size() == 1) return puts;
  // A broker refuses a batch of several as a whole: which of them it meant shows each alone.
  for (std::size_t i = 0; i < puts.size(); ++i) {
    if (puts[i].what != What::Refused || stop.stop_requested()) continue;
    reconnect_after_fatal();
    puts[i] = std::move(put_together(messages.subspan(i, 1), stop).front());
  }
  return puts;
}

std::vector<KafkaPut> KafkaProducer::put_together(std::span<const KafkaMessage> messages,
                                                  const std::stop_token& stop) {
  std::vector<KafkaPut> puts(messages.size());
  if (handle_ == nullptr) {
    for (auto& put : puts) put.error = fault_;
    return puts;
  }
  Call call;
  call.entries.resize(messages.size(), {.call = &call});
  for (std::size_t i = 0; i < messages.size(); ++i) hand_over(messages[i], call, i);
  while (call.open > 0) {
    rd_kafka_poll(handle_, kLookMs);
    // What is purged is told, too: nothing points into this call when it ends.
    if (stop.stop_requested()) {
      rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
  }
  for (std::size_t i = 0; i < puts.size(); ++i) {
    const auto code = call.entries[i].code;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      puts[i].what = What::Done;
      continue;
    }
    puts[i].what = is_final(code) ? What::Refused : What::Again;
    puts[i].error = text_of(code);
  }
  return puts;
}

// After a fatal error, a gap that the brokers see in our messages, this producer takes no more.
void KafkaProducer::reconnect_after_fatal() {
  std::array<char, 512> text{};
  if (handle_ != nullptr &&
      rd_kafka_fatal_error(handle_, text.data(), text.size()) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return;
  }
  if (handle_ != nullptr) rd_kafka_destroy(std::exchange(handle_, nullptr));
  if (const auto done = connect(); !done) fault_ = done.error().message;
}

std::string KafkaProducer::text_of(int number) const {
  const auto code = static_cast<rd_kafka_resp_err_t>(number);
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
    return fmt::format("the brokers {} have no topic '{}'; make it", target_.brokers,
                       target_.topic);
  }
  if (is_final(code)) {
    return fmt::format("topic '{}': {}; the topic's `max.message.bytes` says how large one may be",
                       target_.topic, rd_kafka_err2str(code));
  }
  auto text = fmt::format("topic '{}': {}", target_.topic, rd_kafka_err2str(code));
  if (!fault_.empty() && fault_ != text) text += ": " + fault_;
  if (text.find("uthentication") != std::string::npos) text += scram_hint(target_.security);
  return text;
}

}  // namespace millrace::source
