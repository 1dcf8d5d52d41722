#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct rd_kafka_s;
struct rd_kafka_mock_cluster_s;

namespace millrace::source {

/// Brokers in this process, librdkafka's own, and a producer.
class FakeKafka {
 public:
  FakeKafka();
  FakeKafka(const FakeKafka&) = delete;
  FakeKafka& operator=(const FakeKafka&) = delete;
  ~FakeKafka();

  std::string brokers() const;
  void create(const std::string& topic, int partitions);
  /// Durable when it returns. No value: a tombstone.
  void put(const std::string& topic, int partition, std::optional<std::string> value,
           const std::string& key = "", std::int64_t timestamp_ms = 0);
  /// The same, with headers.
  void put(const std::string& topic, const std::string& value,
           const std::vector<std::pair<std::string, std::optional<std::string>>>& headers);
  void set_down();
  void set_up();
  /// The next requests of this kind are answered by this error.
  void fail(int request, int error, int times);
  /// The next requests of this kind are answered so much later, by what was true when they came.
  void delay(int request, std::chrono::milliseconds by, int times);
  void set_topic_error(const std::string& topic, int error);

  static constexpr int kFetch = 1, kListOffsets = 2, kMetadata = 3;

 private:
  rd_kafka_s* host_ = nullptr;
  rd_kafka_mock_cluster_s* cluster_ = nullptr;
  rd_kafka_s* producer_ = nullptr;
};

}  // namespace millrace::source
