#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "source/kafka_bell.hpp"
#include "source/kafka_client.hpp"
#include "source/source.hpp"

struct rd_kafka_topic_partition_list_s;

namespace millrace::source {

struct KafkaGroupOptions {
  /// A partition that is wanted back is given up after so long, committed or not: what comes too
  /// late is refused by the tables.
  std::chrono::milliseconds give_up_max{10'000};
  std::function<void()> on_change;  ///< must be short
};

/// Our membership of a consumer group, which says whose partitions are whose. It fetches nothing
/// and reads no offsets. docs/decisions/012-workers-share-a-topic-by-a-group.md.
/// It owns a thread. Threads: safe from any.
class KafkaGroup {
 public:
  /// Errors  Invalid: a setting that librdkafka refuses.
  static base::Result<std::unique_ptr<KafkaGroup>> open(const config::KafkaSource& source,
                                                        KafkaGroupOptions options);
  KafkaGroup(const KafkaGroup&) = delete;
  KafkaGroup& operator=(const KafkaGroup&) = delete;
  /// Leaves the group.
  ~KafkaGroup();

  std::shared_ptr<const Share> share() const;
  /// Nothing of the partition is held any more.
  void give_up(base::ShardId partition);
  /// Tells the group how far the tables are in our partitions; whether that worked nobody knows.
  void tell(const std::map<int, std::int64_t>& offsets);
  /// Why we are no member; empty: we are, or are becoming one.
  std::string trouble() const;

 private:
  explicit KafkaGroup(KafkaGroupOptions options) : options_(std::move(options)) {}
  base::Result<void> join(const config::KafkaSource& source);
  void rebalance(int code, rd_kafka_topic_partition_list_s* partitions);
  void take(const rd_kafka_topic_partition_list_s& partitions);
  void lose(const rd_kafka_topic_partition_list_s& partitions, bool is_lost);
  void note_trouble(std::string text);
  void change(const std::function<void(Share&)>& how);
  void run(const std::stop_token& stop);

  const KafkaGroupOptions options_;
  std::string topic_;
  std::shared_ptr<KafkaHandle> handle_;
  KafkaBell given_up_;
  std::stop_source closing_;

  mutable std::mutex mutex_;
  std::shared_ptr<const Share> share_ = std::make_shared<Share>();  // Guarded by mutex_.
  std::uint64_t gifts_ = 0;                                         // Guarded by mutex_.
  std::string trouble_;                                             // Guarded by mutex_.
  base::SteadyTime trouble_at_{};                                   // Guarded by mutex_.
  std::jthread thread_;
};

}  // namespace millrace::source
