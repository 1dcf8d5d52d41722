#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"

struct rd_kafka_s;

namespace millrace::source {

/// A message for a topic. The views live as long as the call.
struct KafkaMessage {
  std::string_view id;  ///< the header `id`
  std::string_view key;
  std::string_view value;
};

/// What became of a message.
struct KafkaPut {
  enum class What : std::uint8_t {
    Done,
    Again,    ///< not, or nobody knows; another try may do
    Refused,  ///< it cannot be taken as it is
  };
  What what = What::Again;
  std::string error = {};
};

/// Writes messages to a topic: acknowledged by all replicas that are in step, without repeats or
/// disorder of librdkafka's own; a key's partition is where Kafka's own clients put it.
/// Threads: one at a time.
class KafkaProducer {
 public:
  static constexpr std::size_t kMessagesMax = 1000;  ///< of one call

  /// `patience`: how long one message is tried.
  /// Errors  Invalid: a setting that librdkafka refuses, a file that it cannot read.
  static base::Result<std::unique_ptr<KafkaProducer>> open(const config::KafkaTarget& target,
                                                           std::chrono::milliseconds patience);
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;
  ~KafkaProducer();

  /// Comes back when each is decided. After a stop what is not is `Again`.
  std::vector<KafkaPut> put(std::span<const KafkaMessage> messages, const std::stop_token& stop);

 private:
  struct Call;
  KafkaProducer(config::KafkaTarget target, std::chrono::milliseconds patience);
  base::Result<void> connect();
  void reconnect_after_fatal();
  std::vector<KafkaPut> put_together(std::span<const KafkaMessage> messages,
                                     const std::stop_token& stop);
  void hand_over(const KafkaMessage& message, Call& call, std::size_t index);
  std::string text_of(int code) const;

  const config::KafkaTarget target_;
  const std::chrono::milliseconds patience_;
  rd_kafka_s* handle_ = nullptr;
  std::string fault_;  // what a connection said last
};

}  // namespace millrace::source
