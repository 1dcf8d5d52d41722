#include "source/kafka_client.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>

#include "source/kafka_security.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Result;

namespace {

using Text = std::array<char, 512>;

constexpr int kFindWaitMs = 10;

// Called by `poll` alone.
void on_error(rd_kafka_t* /*handle*/, int code, const char* reason, void* self) {
  static_cast<KafkaHandle*>(self)->note(code, reason);
}

// What is wrong is said by `on_error`; the log would say it again and again.
void on_log(const rd_kafka_t* /*handle*/, int /*level*/, const char* /*facility*/,
            const char* /*text*/) {}

// Ours come last: what the file's options say must not change them.
KafkaHandle::Properties all_properties(const config::KafkaSource& source,
                                       const KafkaHandle::Properties& own) {
  KafkaHandle::Properties all{{"client.id", "millrace"}, {"reconnect.backoff.max.ms", "5000"}};
  for (const auto& [name, value] : source.options) all[name] = value;
  all.erase("group.instance.id");  // of the member alone
  all["bootstrap.servers"] = source.brokers;
  all["allow.auto.create.topics"] = "false";
  all["auto.offset.reset"] = "error";
  all["check.crcs"] = "true";
  all["enable.auto.commit"] = "false";
  all["enable.auto.offset.store"] = "false";
  all["enable.partition.eof"] = "true";
  all["isolation.level"] = source.reads_uncommitted ? "read_uncommitted" : "read_committed";
  add_security(source.security, all);
  for (const auto& [name, value] : own) all[name] = value;
  return all;
}

std::string value_in(const KafkaHandle::Properties& properties, const char* name) {
  const auto found = properties.find(name);
  return found == properties.end() ? "" : found->second;
}

Error refused(std::string_view what, const char* why) {
  return {Code::Invalid, fmt::format("{}: {}", what, why)};
}

bool is_denied(int code) {
  return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
}

bool is_unknown_topic(int code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool is_unknown_user(int code) {
  return code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
         code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM;
}

bool is_out_of_range(int code) {
  return code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
         code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
}

std::string text_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

struct FreeConf {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};

struct FreeOffsets {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using Offsets = std::unique_ptr<rd_kafka_topic_partition_list_t, FreeOffsets>;

}  // namespace

Result<std::shared_ptr<KafkaHandle>> KafkaHandle::open(const config::KafkaSource& source,
                                                       const Properties& properties,
                                                       OnRebalance rebalanced) {
  Text text{};
  std::unique_ptr<rd_kafka_conf_t, FreeConf> conf(rd_kafka_conf_new());
  std::shared_ptr<KafkaHandle> handle(new KafkaHandle());
  const auto all = all_properties(source, properties);
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), text.data(), text.size()) ==
        RD_KAFKA_CONF_OK) {
      continue;
    }
    const bool is_secret = name.ends_with("password");
    return refused(name, is_secret ? "librdkafka refuses the value" : text.data());
  }
  handle->user_ = value_in(all, "sasl.username");
  handle->password_ = value_in(all, "sasl.password");
  rd_kafka_conf_set_opaque(conf.get(), handle.get());
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  if (rebalanced) {
    handle->on_rebalance_ = std::move(rebalanced);
    rd_kafka_conf_set_rebalance_cb(
        conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list,
                       void* self) { static_cast<KafkaHandle*>(self)->rebalance(code, list); });
  }
  handle->handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), text.data(), text.size());
  if (handle->handle_ == nullptr) return refused("librdkafka", text.data());
  (void)conf.release();  // it is the handle's now
  handle->topic_ = rd_kafka_topic_new(handle->handle_, source.topic.c_str(), nullptr);
  if (handle->topic_ == nullptr) {
    return refused("topic", rd_kafka_err2str(rd_kafka_last_error()));
  }
  return handle;
}

KafkaHandle::~KafkaHandle() {
  if (topic_ != nullptr) rd_kafka_topic_destroy(topic_);
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

void KafkaHandle::poll() {
  rd_kafka_poll(handle_, 0);
}

// A thread of librdkafka 2.0 that found all queues full sleeps for a second, however soon they are
// empty, if no request or answer wakes it. Of what wakes it this alone neither waits nor asks the
// brokers: it is told the credentials that it has.
void KafkaHandle::wake() {
  auto* error = rd_kafka_sasl_set_credentials(handle_, user_.c_str(), password_.c_str());
  if (error != nullptr) rd_kafka_error_destroy(error);
}

// That all brokers are down is told after each of them said why.
void KafkaHandle::note(int code, const char* text) {
  const std::lock_guard lock(mutex_);
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && fault_) return;
  fault_ = Fault{code, text == nullptr ? "" : text};
}

std::optional<KafkaHandle::Fault> KafkaHandle::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

void KafkaHandle::forget_fault() {
  const std::lock_guard lock(mutex_);
  fault_.reset();
}

Result<std::unique_ptr<KafkaCluster>> KafkaCluster::open(const config::KafkaSource& source) {
  // What it fetches are single records.
  KafkaHandle::Properties properties{{"fetch.message.max.bytes", "1024"},
                                     {"fetch.wait.max.ms", "10"},
                                     {"queued.min.messages", "1"}};
  if (!source.group.empty() && !source.has_many_workers) properties["group.id"] = source.group;
  auto handle = TRY(KafkaHandle::open(source, properties));
  return std::unique_ptr<KafkaCluster>(new KafkaCluster(source, std::move(handle)));
}

// What is wrong with a connection is told beside the answer, which only says that none came.
Error KafkaCluster::error_of(int code) const {
  handle_->poll();
  const auto fault = handle_->fault();
  const auto* answer = rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code));
  if (is_unknown_topic(code)) {
    return {Code::NotFound,
            fmt::format("there is no topic '{}' on {}. Make it first, or let the source's key "
                        "`topic` name another",
                        source_.topic, source_.brokers)};
  }
  if (is_denied(code)) {
    return {Code::Denied,
            fmt::format("topic '{}' on {}: {}. The user needs the rights DESCRIBE and "
                        "READ on it",
                        source_.topic, source_.brokers, answer)};
  }
  if (is_unknown_user(code) || (fault && is_unknown_user(fault->code))) {
    return {Code::Denied,
            fmt::format("the brokers do not accept the user '{}': {}. The source's key "
                        "`security` has its mechanism, user and password{}",
                        source_.security.user, fault ? fault->text : answer,
                        scram_hint(source_.security))};
  }
  return {Code::Unavailable,
          fmt::format("no broker of {} answers: {}. The source's keys `brokers` and `security` say "
                      "where they are, and how they are spoken to",
                      source_.brokers, fault ? fault->text : answer)};
}

Result<int> KafkaCluster::partition_count(std::chrono::milliseconds timeout) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto asked = rd_kafka_metadata(handle_->get(), 0, handle_->topic(), &metadata,
                                       static_cast<int>(timeout.count()));
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(asked);
  handle_->poll();
  handle_->forget_fault();
  auto code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  int count = 0;
  if (metadata->topic_cnt == 1) {
    code = metadata->topics[0].err;
    count = metadata->topics[0].partition_cnt;
  }
  rd_kafka_metadata_destroy(metadata);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(code);
  return count;
}

std::string KafkaCluster::id(std::chrono::milliseconds timeout) {
  char* id = rd_kafka_clusterid(handle_->get(), static_cast<int>(timeout.count()));
  if (id == nullptr) return "";
  std::string text(id);
  rd_kafka_mem_free(handle_->get(), id);
  return text;
}

Result<std::vector<std::int64_t>> KafkaCluster::offsets(int partitions, std::int64_t at,
                                                        std::chrono::milliseconds timeout) {
  std::vector<std::int64_t> offsets;
  if (partitions == 0) return offsets;
  const Offsets list(rd_kafka_topic_partition_list_new(partitions));
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list.get(), source_.topic.c_str(), i)->offset = at;
  }
  const auto asked =
      rd_kafka_offsets_for_times(handle_->get(), list.get(), static_cast<int>(timeout.count()));
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(asked);
  for (int i = 0; i < list->cnt; ++i) {
    if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(list->elems[i].err);
    offsets.push_back(list->elems[i].offset);
  }
  return offsets;
}

Result<std::optional<KafkaCluster::Found>> KafkaCluster::find(int partition, std::int64_t offset,
                                                              std::chrono::milliseconds timeout) {
  if (rd_kafka_consume_start(handle_->topic(), partition, offset) != 0) {
    return error_of(rd_kafka_last_error());
  }
  Result<std::optional<Found>> found = error_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < end) {
    const std::unique_ptr<rd_kafka_message_t, KafkaEvent::Free> message(
        rd_kafka_consume(handle_->topic(), partition, kFindWaitMs));
    if (!message) {
      handle_->wake();  // it may sleep over what it was just asked to fetch
      continue;
    }
    if (message->err == 0 && message->offset < offset) continue;
    rd_kafka_timestamp_type_t type{};
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      found = std::optional(Found{.offset = message->offset,
                                  .timestamp_ms = std::max<std::int64_t>(
                                      0, rd_kafka_message_timestamp(message.get(), &type)),
                                  .key = text_of(message->key, message->key_len),
                                  .value = text_of(message->payload, message->len)});
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || is_out_of_range(message->err)) {
      found = std::optional<Found>();
    } else {
      found = error_of(message->err);
    }
    break;
  }
  rd_kafka_consume_stop(handle_->topic(), partition);
  return found;
}

void KafkaCluster::tell_group(const std::map<int, std::int64_t>& offsets) {
  const Offsets list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), source_.topic.c_str(), partition)->offset =
        offset;
  }
  (void)rd_kafka_commit(handle_->get(), list.get(), 1);
}

void KafkaEvent::Free::operator()(rd_kafka_message_s* message) const {
  rd_kafka_message_destroy(message);
}

}  // namespace millrace::source
