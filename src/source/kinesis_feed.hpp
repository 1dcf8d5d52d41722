#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "aws/kinesis.hpp"
#include "source/kinesis_shard.hpp"
#include "source/kinesis_source.hpp"
#include "source/kinesis_state.hpp"

// Private to the Kinesis source.
namespace millrace::source {

/// The source at work. Threads of its own: some that poll or one for each subscription, and one
/// that watches the stream. What they fetch waits in `KinesisShard`s until it is read.
class KinesisFeed final : public Source {
 public:
  KinesisFeed(const config::Source& source, KinesisSourceOptions options, const KinesisTools& tools,
              aws::Kinesis stream)
      : name_(source.name),
        settings_(std::get<config::KinesisSource>(source.from)),
        options_(std::move(options)),
        tools_(tools),
        stream_(std::move(stream)) {}
  ~KinesisFeed() override;
  /// Asks for the stream and its shards, and begins.
  base::Result<void> open();

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override;
  bool is_closed(base::ShardId shard) const override;
  std::vector<base::ShardId> parents(base::ShardId shard) const override;
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
  base::Result<void> release(std::span<const base::Offset> positions) override;

 private:
  /// One shard, and how fetching it goes.
  struct Lane {
    KinesisShard shard;
    std::string name;
    std::vector<base::ShardId> parents = {};
    bool is_listed = true;   // no longer: it is gone from the stream
    bool is_wanted = false;  // somebody reads it
    bool is_busy = false;    // being fetched
    bool is_fanned_out = false;
    bool is_ended = false;      // closed, and fetched to its end
    bool has_children = false;  // was split or merged: its end is near
    bool has_to_fit = false;    // the next page must begin with the record at `after`, or the first
    std::uint64_t epoch = 0;    // what was asked for before a seek is of no use
    std::string iterator = {};
    base::SteadyTime due = {};
    int failures = 0;
    std::string trouble = {};
    std::optional<base::Error> error = {};  // nothing more can be read of it
    bool is_behind = true;
    base::SteadyTime current_at = {};
    std::optional<KinesisState::Quiet> quiet = {};  // nothing came behind a position by then
    std::optional<base::Offset> committed = {};     // by all tables that know the shard
  };

  // All of these: the caller holds mutex_.
  Lane& at(base::ShardId shard) const { return *lanes_[static_cast<std::size_t>(shard.value())]; }
  base::Result<void> begin();
  void seek(Lane& lane, base::Offset from);
  aws::ReadFrom read_from(const Lane& lane) const;
  bool has_room(const Lane& lane) const;
  Lane* next_due(base::SteadyTime now, base::SteadyTime& wake_at);
  void poll(Lane& lane, std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  void failed(Lane& lane, const base::Error& error);
  void take_page(Lane& lane, aws::RecordPage page);
  bool can_go_on(Lane& lane, const aws::RecordPage& page);
  bool may_be_lost(const Lane& lane) const;
  base::Error lost(const Lane& lane) const;
  void fail(base::Error error);
  base::Result<void> take_shards(const std::vector<aws::ShardInfo>& shards);
  void take_gone(Lane& lane);
  void poll_for_ends();
  void add_poll_thread();
  std::map<base::ShardId, KinesisState::Quiet> quiet_shards() const;

  // These: nobody does.
  base::Result<std::optional<aws::RecordPage>> fetch(const std::string& shard,
                                                     std::string& iterator,
                                                     const aws::ReadFrom& from,
                                                     const std::stop_token& stop);
  void run_polls(const std::stop_token& stop);
  void run_subscription(Lane& lane, const std::stop_token& stop);
  void watch(const std::stop_token& stop);
  base::Result<void> look(const std::stop_token& stop);
  void start_threads(Lane& lane);

  const std::string name_;
  const config::KinesisSource settings_;
  const KinesisSourceOptions options_;
  const KinesisTools tools_;
  aws::Kinesis stream_;
  std::string incarnation_;

  mutable std::mutex mutex_;
  std::condition_variable_any readable_;   // records came, or an end, or an error
  std::condition_variable_any fetchable_;  // there is room, or something else to fetch
  // All below: guarded by mutex_.
  std::unique_ptr<KinesisState> state_;
  std::optional<base::Time> start_;  // unless the state has one
  bool is_begun_ = false;
  bool has_marks_ = false;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::uint64_t bytes_ = 0;
  std::size_t wanted_count_ = 0;
  std::chrono::hours retention_{24};
  std::optional<base::Error> fatal_;
  std::string watch_trouble_;
  base::SteadyTime watch_due_;
  base::SteadyTime quiet_due_;
  int subscription_count_ = 0;
  int poll_thread_count_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace millrace::source
