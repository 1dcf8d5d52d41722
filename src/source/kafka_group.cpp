#include "source/kafka_group.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>

namespace millrace::source {

using base::Result;
using base::ShardId;
using Steady = std::chrono::steady_clock;

namespace {

constexpr int kPollMilliseconds = 100;
// It is only told; nothing that it fetches is looked at.
KafkaHandle::Properties member_properties() {
  return {{"partition.assignment.strategy", "cooperative-sticky"},
          {"fetch.message.max.bytes", "1024"},
          {"queued.min.messages", "1"},
          {"queued.max.messages.kbytes", "1"}};
}
constexpr auto kTroubleFor = std::chrono::seconds(15);
// A worker that is gone for so long has its partitions taken.
constexpr const char* kSessionTimeout = "10000";

struct FreePartitions {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t, FreePartitions>;

}  // namespace

Result<std::unique_ptr<KafkaGroup>> KafkaGroup::open(const config::KafkaSource& source,
                                                     KafkaGroupOptions options) {
  std::unique_ptr<KafkaGroup> group(new KafkaGroup(std::move(options)));
  TRY(group->join(source));
  return group;
}

Result<void> KafkaGroup::join(const config::KafkaSource& source) {
  topic_ = source.topic;
  auto properties = member_properties();
  properties["group.id"] = source.group;
  if (!source.options.contains("session.timeout.ms")) {
    properties["session.timeout.ms"] = kSessionTimeout;
  }
  const auto instance = source.options.find("group.instance.id");
  if (instance != source.options.end()) properties["group.instance.id"] = instance->second;
  handle_ = TRY(KafkaHandle::open(
      source, properties,
      [this](int code, rd_kafka_topic_partition_list_t* list) { rebalance(code, list); }));
  rd_kafka_poll_set_consumer(handle_->get());
  const Partitions topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), topic_.c_str(), RD_KAFKA_PARTITION_UA);
  const auto joined = rd_kafka_subscribe(handle_->get(), topics.get());
  if (joined != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return base::Error{base::Code::Invalid,
                       fmt::format("group '{}': {}", source.group, rd_kafka_err2str(joined))};
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return {};
}

KafkaGroup::~KafkaGroup() {
  closing_.request_stop();
  given_up_.ring();
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
}

// Rebalances are told by `rd_kafka_consumer_poll`, on this thread alone.
void KafkaGroup::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto* message = rd_kafka_consumer_poll(handle_->get(), kPollMilliseconds);
    if (const auto fault = handle_->fault()) note_trouble(fault->text);
    handle_->forget_fault();
    if (message == nullptr) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
        message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      note_trouble(rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(handle_->get());
}

void KafkaGroup::note_trouble(std::string text) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(text);
  trouble_at_ = Steady::now();
}

void KafkaGroup::rebalance(int code, rd_kafka_topic_partition_list_t* partitions) {
  auto* rk = handle_->get();
  rd_kafka_error_t* error = nullptr;
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    // Where it would fetch from, if it did.
    for (int i = 0; i < partitions->cnt; ++i) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    error = rd_kafka_incremental_assign(rk, partitions);
    (void)rd_kafka_pause_partitions(rk, partitions);
    take(*partitions);
  } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    lose(*partitions, rd_kafka_assignment_lost(rk) != 0);
    error = rd_kafka_incremental_unassign(rk, partitions);
  } else {
    lose(*partitions, true);
    (void)rd_kafka_assign(rk, nullptr);
  }
  if (error == nullptr) return;
  note_trouble(rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
}

void KafkaGroup::change(const std::function<void(Share&)>& how) {
  {
    const std::lock_guard lock(mutex_);
    auto next = std::make_shared<Share>(*share_);
    how(*next);
    if (*next == *share_) return;
    share_ = std::move(next);
  }
  options_.on_change();
}

void KafkaGroup::take(const rd_kafka_topic_partition_list_t& partitions) {
  change([&](Share& share) {
    ++share.rebalances;
    for (int i = 0; i < partitions.cnt; ++i) {
      const ShardId id(partitions.elems[i].partition);
      share.given[id] = ++gifts_;
      share.leaving.erase(id);
    }
  });
}

// Waits until what was read of them is committed, so that who gets them need not read it again. Of
// what was lost, others have begun to read already.
void KafkaGroup::lose(const rd_kafka_topic_partition_list_t& partitions, bool is_lost) {
  std::set<ShardId> ids;
  for (int i = 0; i < partitions.cnt; ++i) ids.insert(ShardId(partitions.elems[i].partition));
  if (!is_lost && !closing_.stop_requested()) {
    change([&](Share& share) { share.leaving.insert(ids.begin(), ids.end()); });
    const auto end = Steady::now() + options_.give_up_max;
    const auto is_held = [&] {
      const auto now = share();
      return std::ranges::any_of(ids, [&](ShardId id) { return now->leaving.contains(id); });
    };
    for (;;) {
      const auto rung = given_up_.rung();
      if (!is_held() || Steady::now() >= end || closing_.stop_requested()) break;
      given_up_.wait(rung, end, closing_.get_token());
    }
  }
  change([&](Share& share) {
    ++share.rebalances;
    for (const auto id : ids) share.given.erase(id), share.leaving.erase(id);
  });
}

std::shared_ptr<const Share> KafkaGroup::share() const {
  const std::lock_guard lock(mutex_);
  return share_;
}

void KafkaGroup::give_up(ShardId partition) {
  if (!share()->leaving.contains(partition)) return;
  change([&](Share& share) {
    if (share.leaving.erase(partition) > 0) share.given.erase(partition);
  });
  given_up_.ring();
}

void KafkaGroup::tell(const std::map<int, std::int64_t>& offsets) {
  const Partitions list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition)->offset = offset;
  }
  (void)rd_kafka_commit(handle_->get(), list.get(), 1);
}

std::string KafkaGroup::trouble() const {
  const std::lock_guard lock(mutex_);
  const bool is_fine = !share_->given.empty() || Steady::now() - trouble_at_ > kTroubleFor;
  return is_fine ? "" : trouble_;
}

}  // namespace millrace::source
