#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.hpp"
#include "base/result.hpp"
#include "config/pipeline.hpp"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_queue_s;
struct rd_kafka_message_s;
struct rd_kafka_topic_partition_list_s;

/// The only face of librdkafka: docs/decisions/011-kafka-topics-are-known-by-their-records.md.
namespace millrace::source {

/// One client of a cluster. Threads: safe from any.
class KafkaHandle {
 public:
  struct Fault {
    int code = 0;  ///< of librdkafka
    std::string text;
  };
  using Properties = std::map<std::string, std::string>;
  using OnRebalance = std::function<void(int code, rd_kafka_topic_partition_list_s* partitions)>;

  /// `properties` are those that the caller needs, beside what the source's settings say.
  /// Errors  Invalid: a setting that librdkafka refuses, a file that it cannot read.
  static base::Result<std::shared_ptr<KafkaHandle>> open(const config::KafkaSource& source,
                                                         const Properties& properties,
                                                         OnRebalance on_rebalance = {});
  KafkaHandle(const KafkaHandle&) = delete;
  KafkaHandle& operator=(const KafkaHandle&) = delete;
  ~KafkaHandle();

  rd_kafka_s* get() const { return handle_; }
  rd_kafka_topic_s* topic() const { return topic_; }
  /// Takes in what librdkafka has to say.
  void poll();
  /// Makes librdkafka look at once for what it can fetch.
  void wake();
  void note(int code, const char* text);
  void rebalance(int code, rd_kafka_topic_partition_list_s* partitions) {
    on_rebalance_(code, partitions);
  }
  std::optional<Fault> fault() const;
  void forget_fault();

 private:
  KafkaHandle() = default;
  std::string user_, password_;  // of SASL
  rd_kafka_s* handle_ = nullptr;
  rd_kafka_topic_s* topic_ = nullptr;
  OnRebalance on_rebalance_;
  mutable std::mutex mutex_;
  std::optional<Fault> fault_;  // Guarded by mutex_.
};

/// Asks the cluster about the topic. Threads: one at a time.
/// Errors  of all that ask: NotFound: no such topic. Denied: the user, or what it may do.
/// Unavailable: no broker answers. Each says what to mend.
class KafkaCluster {
 public:
  static constexpr std::int64_t kEnd = -1;  ///< behind the last record that may be read
  static constexpr std::int64_t kOldest = -2;

  static base::Result<std::unique_ptr<KafkaCluster>> open(const config::KafkaSource& source);

  base::Result<int> partition_count(std::chrono::milliseconds timeout);
  /// Empty: the brokers do not say.
  std::string id(std::chrono::milliseconds timeout);
  /// Of each partition, the offset of the first record that is as young as `at` (milliseconds since
  /// 1970), or where `at` says.
  base::Result<std::vector<std::int64_t>> offsets(int partitions, std::int64_t at,
                                                  std::chrono::milliseconds timeout);
  struct Found {
    std::int64_t offset = 0;
    std::int64_t timestamp_ms = 0;
    std::string key, value;
  };
  /// The first record of `partition` at or behind `offset`; none: there is none now.
  base::Result<std::optional<Found>> find(int partition, std::int64_t offset,
                                          std::chrono::milliseconds timeout);
  /// Tells the source's group how far reading is; whether that worked nobody knows.
  void tell_group(const std::map<int, std::int64_t>& offsets);

 private:
  KafkaCluster(const config::KafkaSource& source, std::shared_ptr<KafkaHandle> handle)
      : source_(source), handle_(std::move(handle)) {}
  base::Error error_of(int code) const;

  const config::KafkaSource source_;
  const std::shared_ptr<KafkaHandle> handle_;
};

/// Headers that are asked for.
using KafkaHeaderNames = std::set<std::string, std::less<>>;

/// What a partition has next.
struct KafkaEvent {
  enum class Kind : std::uint8_t { Record, End, Fault };
  struct Free {
    void operator()(rd_kafka_message_s* message) const;
  };
  Kind kind = Kind::Fault;
  std::int64_t offset = 0;  ///< of the record, or of what will come behind the end
  bool is_null = false;     ///< a record without a value
  std::string_view key;     ///< into `message`, as the others
  std::string_view value;
  std::vector<base::Header> headers;  ///< those asked for; of a name the last
  std::uint64_t header_bytes = 0;     ///< what all that it has take in memory, if any is asked for
  std::int64_t timestamp_ms = 0;      ///< since 1970; 0: it has none
  std::string text;                   ///< of a fault
  std::unique_ptr<rd_kafka_message_s, Free> message;
};

struct KafkaFetchOptions {
  std::uint64_t partition_bytes_max = 0;  ///< fetched and not yet taken; one answer more may be
  std::uint64_t answer_bytes_max = 0;     ///< a larger one cannot be read
  KafkaHeaderNames headers;               ///< none: headers are not looked at
  std::function<void()> on_ready;         ///< something came; called by librdkafka, must be short
};

/// Fetches records of the topic's partitions, ahead of who takes them.
/// Threads: one at a time, but `has` from any.
class KafkaFetch {
 public:
  static base::Result<std::unique_ptr<KafkaFetch>> open(const config::KafkaSource& source,
                                                        const KafkaFetchOptions& options);
  KafkaFetch(const KafkaFetch&) = delete;
  KafkaFetch& operator=(const KafkaFetch&) = delete;
  ~KafkaFetch();

  /// Fetches from `offset` on, anew if it was fetched already.
  base::Result<void> start(int partition, std::int64_t offset);
  void stop(int partition);
  /// None: nothing came yet.
  std::optional<KafkaEvent> next(int partition);
  bool has(int partition) const;
  /// The end of the partition as the last answer had it, also of what is not committed; 0: none
  /// came.
  std::int64_t end(int partition) const;
  /// What went wrong with a connection since the last call; empty: nothing.
  std::string take_fault();
  /// What events point into.
  std::shared_ptr<const void> owner() const { return handle_; }

 private:
  struct Queue {
    rd_kafka_queue_s* queue = nullptr;
    std::uint64_t taken_bytes = 0;  // since librdkafka was told that there is room
  };
  explicit KafkaFetch(KafkaFetchOptions options) : options_(std::move(options)) {}
  static void ready(rd_kafka_s* handle, void* self);

  const KafkaFetchOptions options_;
  std::string topic_;
  std::shared_ptr<KafkaHandle> handle_;
  std::uint64_t queue_bytes_max_ = 0;  // of a partition
  std::map<int, Queue> queues_;
};

}  // namespace millrace::source
