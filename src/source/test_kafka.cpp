#include "source/test_kafka.hpp"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>

#include "base/result.hpp"

namespace millrace::source {
namespace {

constexpr int kPatience = 10'000;  // milliseconds
constexpr std::int32_t kBroker = 1;

rd_kafka_t* producer_at(const char* brokers) {
  std::array<char, 256> text{};
  auto* conf = rd_kafka_conf_new();
  const auto set = [&](const char* name, const char* value) {
    CHECK(rd_kafka_conf_set(conf, name, value, text.data(), text.size()) == RD_KAFKA_CONF_OK);
  };
  set("log_level", "0");
  if (brokers != nullptr) set("bootstrap.servers", brokers);
  auto* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text.data(), text.size());
  CHECK(handle != nullptr);
  return handle;
}

}  // namespace

FakeKafka::FakeKafka() : host_(producer_at(nullptr)) {
  cluster_ = rd_kafka_mock_cluster_new(host_, 1);
  producer_ = producer_at(rd_kafka_mock_cluster_bootstraps(cluster_));
}

FakeKafka::~FakeKafka() {
  rd_kafka_destroy(producer_);
  rd_kafka_mock_cluster_destroy(cluster_);
  rd_kafka_destroy(host_);
}

std::string FakeKafka::brokers() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_);
}

void FakeKafka::create(const std::string& topic, int partitions) {
  CHECK(rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1) ==
        RD_KAFKA_RESP_ERR_NO_ERROR);
}

void FakeKafka::put(const std::string& topic, int partition, std::optional<std::string> value,
                    const std::string& key, std::int64_t timestamp_ms) {
  auto* bytes = value ? value->data() : nullptr;
  const std::size_t size = value ? value->size() : 0;
  const auto sent = rd_kafka_producev(
      producer_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
      RD_KAFKA_V_VALUE(bytes, size), RD_KAFKA_V_KEY(key.data(), key.size()),
      RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  CHECK(sent == RD_KAFKA_RESP_ERR_NO_ERROR);
  CHECK(rd_kafka_flush(producer_, kPatience) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void FakeKafka::put(
    const std::string& topic, const std::string& value,
    const std::vector<std::pair<std::string, std::optional<std::string>>>& headers) {
  auto* list = rd_kafka_headers_new(headers.size());
  for (const auto& [name, bytes] : headers) {
    rd_kafka_header_add(list, name.data(), static_cast<ssize_t>(name.size()),
                        bytes ? bytes->data() : nullptr,
                        bytes ? static_cast<ssize_t>(bytes->size()) : 0);
  }
  const auto sent = rd_kafka_producev(
      producer_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_HEADERS(list),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  CHECK(sent == RD_KAFKA_RESP_ERR_NO_ERROR);
  CHECK(rd_kafka_flush(producer_, kPatience) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void FakeKafka::set_down() {
  CHECK(rd_kafka_mock_broker_set_down(cluster_, kBroker) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void FakeKafka::set_up() {
  CHECK(rd_kafka_mock_broker_set_up(cluster_, kBroker) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void FakeKafka::fail(int request, int error, int times) {
  for (int i = 0; i < times; ++i) {
    rd_kafka_mock_push_request_errors(cluster_, static_cast<std::int16_t>(request), 1, error);
  }
}

void FakeKafka::delay(int request, std::chrono::milliseconds by, int times) {
  for (int i = 0; i < times; ++i) {
    rd_kafka_mock_broker_push_request_error_rtts(cluster_, 1, static_cast<std::int16_t>(request), 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 static_cast<int>(by.count()));
  }
}
void FakeKafka::set_topic_error(const std::string& topic, int error) {
  rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), static_cast<rd_kafka_resp_err_t>(error));
}

}  // namespace millrace::source
