#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "source/kafka_bell.hpp"
#include "source/kafka_client.hpp"
#include "source/kafka_group.hpp"
#include "source/kafka_proof.hpp"
#include "source/kafka_source.hpp"
#include "source/kafka_state.hpp"

namespace millrace::source {

/// A Kafka source at work. librdkafka fetches ahead, each partition into a queue of its own; who
/// reads takes from there. One thread of ours looks after the topic: its partitions, their first
/// and last offsets, and whether it is still the same.
class KafkaFeed final : public Source {
 public:
  KafkaFeed(const config::Source& source, KafkaSourceOptions options, const KafkaTools& tools);
  KafkaFeed(const KafkaFeed&) = delete;
  KafkaFeed& operator=(const KafkaFeed&) = delete;
  ~KafkaFeed() override;

  base::Result<void> open();

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override;
  base::Offset oldest(base::ShardId shard) const override;
  base::Offset end(base::ShardId shard) const override;
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t bytes_max) override;
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override;
  std::optional<Mark> mark(base::ShardId shard, base::Offset position) const override;
  void remember(base::ShardId shard, base::Offset position, const Mark& mark) override;
  bool is_current(base::ShardId shard) const override;
  std::string trouble() const override;
  std::shared_ptr<const Share> share() const override { return group_ ? group_->share() : nullptr; }
  void give_up(base::ShardId shard) override;
  base::Result<void> release(std::span<const base::Offset> positions) override;

 private:
  struct Batch;
  /// Whether the partition is known to be the one that was read: it may have been made anew at any
  /// time when it could not be seen.
  enum class Trust : std::uint8_t { Unknown, Asked, Known };
  /// One partition, and how reading it goes.
  struct Lane {
    base::ShardId id;
    bool is_listed = false;   // the brokers told of it
    bool is_started = false;  // it is being fetched
    bool is_at_end = false;
    base::Offset start = {};  // where reading begins, unless the state or a table knows better
    base::Offset next = {};   // of a started one
    base::Offset oldest = {};
    base::Offset end = {};                   // when the brokers were asked last
    std::optional<base::Offset> first = {};  // the smallest and greatest position of tables
    std::optional<base::Offset> last = {};
    KafkaProofs proofs = {};
    Trust trust = Trust::Unknown;
    std::vector<KafkaProof> to_check = {};  // records that must be found so, or not at all
    std::int64_t newest_ms = 0;
    std::string trouble = {};
    std::optional<base::Error> error = {};  // nothing more can be read of it
    base::SteadyTime due = {};              // not before then
    base::SteadyTime taken_at = {};         // a record, or a look at one
    std::optional<base::Offset> committed = {};
  };
  /// What the brokers say of the topic.
  struct Look {
    std::string cluster;
    std::vector<std::int64_t> oldest, end, starts;
    std::vector<base::Offset> read;  // how far each partition was read before they were asked
  };

  // All of these: the caller holds mutex_.
  Lane& at(base::ShardId shard) const { return *lanes_[static_cast<std::size_t>(shard.value())]; }
  base::Offset begin_of(const Lane& lane) const;
  base::Result<void> begin();
  base::Result<void> note_begins();
  bool may_read(const Lane& lane) const;
  bool has_news(const Lane& lane, base::Offset position) const;
  base::Result<base::Offset> start(Lane& lane, base::Offset from);
  void stop(Lane& lane);
  void take(Lane& lane, Batch& batch, std::uint64_t bytes_max);
  bool is_trusted(Lane& lane, base::Offset from);
  void put_off(Lane& lane, std::string trouble);
  base::Error lost(const Lane& lane, base::Offset from) const;
  base::Result<void> made_anew(std::string_view why);
  base::Result<void> take_look(const Look& look);
  base::Result<void> take_partitions(const Look& look);
  base::Result<void> open_fetch();
  std::string doubt(const Look& look) const;
  std::vector<base::Offset> all_read() const;
  base::Result<void> check_cluster();
  base::Result<void> check_fetch();
  void tell_behind() const;
  bool needs_starts(std::size_t partitions) const;
  void fail(base::Error error);

  // These: nobody does.
  base::Result<void> check_records();
  base::Result<std::string> check_record(const Lane& lane, const KafkaProof& proof);
  base::Result<Look> look(std::chrono::milliseconds timeout);
  void look_and_tell(std::chrono::milliseconds timeout);
  void tell_group();
  bool is_ours(base::ShardId shard) const;
  void watch(const std::stop_token& stop);

  const std::string name_;
  const config::KafkaSource settings_;
  const KafkaHeaderNames headers_;
  const KafkaSourceOptions options_;
  const KafkaTools tools_;
  std::string incarnation_;
  std::unique_ptr<KafkaCluster> cluster_;
  std::unique_ptr<KafkaGroup> group_;  // none: all partitions are ours
  KafkaBell news_;                     // for who waits to read
  KafkaBell looking_;                  // for the watch

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  std::unique_ptr<KafkaState> state_;
  std::unique_ptr<KafkaFetch> fetch_;  // none: the partitions are not known yet
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::int64_t cluster_hash_ = 0;              // 0: not known
  std::optional<std::int64_t> known_cluster_;  // of the tables
  bool is_begun_ = false;
  bool has_marks_ = false;
  int doubts_ = 0;  // looks in a row that speak for another topic
  std::optional<base::Error> fatal_;
  std::string trouble_ = "the brokers were not asked yet";
  base::SteadyTime looked_at_;
  std::string fault_;  // of fetching, and when
  base::SteadyTime fault_at_;
  std::uint64_t rebalances_told_ = 0;  // by the watch alone
  std::map<int, std::int64_t> told_;   // to the group; by the watch alone
  base::SteadyTime told_all_at_;
  std::jthread thread_;
};

}  // namespace millrace::source
