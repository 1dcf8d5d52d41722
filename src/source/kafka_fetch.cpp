#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "source/kafka_client.hpp"
#include "source/kafka_headers.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Result;

namespace {

// A message in a queue needs some hundred bytes beside its own, which librdkafka's limit on bytes
// does not count: so there is one on messages.
constexpr std::uint64_t kMessageBytes = 512;
// While a full queue is taken, so often there is said to be room in it.
constexpr std::uint64_t kWakesOfQueue = 4;

std::string_view bytes_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), size);
}

}  // namespace

Result<std::unique_ptr<KafkaFetch>> KafkaFetch::open(const config::KafkaSource& source,
                                                     const KafkaFetchOptions& options) {
  const auto bytes = std::clamp<std::uint64_t>(options.partition_bytes_max, 64 << 10, 1 << 30);
  const auto answer = std::clamp<std::uint64_t>(bytes / 2, 32 << 10, 1 << 20);
  std::unique_ptr<KafkaFetch> fetch(new KafkaFetch(options));
  fetch->topic_ = source.topic;
  fetch->queue_bytes_max_ = bytes;
  fetch->handle_ = TRY(KafkaHandle::open(
      source,
      {{"queued.max.messages.kbytes", fmt::format("{}", bytes >> 10)},
       {"queued.min.messages",
        fmt::format("{}", std::clamp<std::uint64_t>(bytes / kMessageBytes, 100, 1'000'000))},
       {"fetch.message.max.bytes", fmt::format("{}", answer)},
       {"fetch.max.bytes",
        fmt::format("{}", std::min<std::uint64_t>(std::max<std::uint64_t>(4 * answer, 1 << 20),
                                                  options.answer_bytes_max - 1024))},
       {"message.max.bytes", "1000"},
       {"receive.message.max.bytes", fmt::format("{}", options.answer_bytes_max)}}));
  return fetch;
}

KafkaFetch::~KafkaFetch() {
  while (!queues_.empty()) stop(queues_.begin()->first);
}

// librdkafka holds the queue's lock while it calls: nothing of it may be called back.
void KafkaFetch::ready(rd_kafka_s* /*handle*/, void* self) {
  static_cast<KafkaFetch*>(self)->options_.on_ready();
}

Result<void> KafkaFetch::start(int partition, std::int64_t offset) {
  stop(partition);
  auto* queue = rd_kafka_queue_new(handle_->get());
  rd_kafka_queue_cb_event_enable(queue, ready, this);
  if (rd_kafka_consume_start_queue(handle_->topic(), partition, offset, queue) != 0) {
    const auto* why = rd_kafka_err2str(rd_kafka_last_error());
    rd_kafka_queue_destroy(queue);
    return Error{Code::Unavailable, fmt::format("partition {}: {}", partition, why)};
  }
  queues_[partition] = {queue};
  return {};
}

void KafkaFetch::stop(int partition) {
  const auto found = queues_.find(partition);
  if (found == queues_.end()) return;
  rd_kafka_consume_stop(handle_->topic(), partition);
  rd_kafka_queue_cb_event_enable(found->second.queue, nullptr, nullptr);
  rd_kafka_queue_destroy(found->second.queue);
  queues_.erase(found);
}

std::optional<KafkaEvent> KafkaFetch::next(int partition) {
  const auto found = queues_.find(partition);
  if (found == queues_.end()) return std::nullopt;
  auto& [queue, taken_bytes] = found->second;
  KafkaEvent event;
  event.message.reset(rd_kafka_consume_queue(queue, 0));
  if (!event.message) return std::nullopt;
  const auto& message = *event.message;
  event.offset = message.offset;
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    event.kind = KafkaEvent::Kind::Record;
    event.is_null = message.payload == nullptr;
    event.key = bytes_of(message.key, message.key_len);
    event.value = bytes_of(message.payload, message.len);
    taken_bytes += kMessageBytes + event.value.size();
    if (taken_bytes > queue_bytes_max_ / kWakesOfQueue) {
      taken_bytes = 0;
      handle_->wake();
    }
    if (!options_.headers.empty()) read_kafka_headers(options_.headers, event);
    rd_kafka_timestamp_type_t type{};
    event.timestamp_ms = std::max<std::int64_t>(0, rd_kafka_message_timestamp(&message, &type));
  } else if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    event.kind = KafkaEvent::Kind::End;
  } else {
    event.kind = KafkaEvent::Kind::Fault;
    event.text =
        fmt::format("{} ({})", rd_kafka_message_errstr(&message), rd_kafka_err2name(message.err));
  }
  return event;
}

bool KafkaFetch::has(int partition) const {
  const auto found = queues_.find(partition);
  return found != queues_.end() && rd_kafka_queue_length(found->second.queue) > 0;
}

std::string KafkaFetch::take_fault() {
  handle_->poll();
  const auto fault = handle_->fault();
  handle_->forget_fault();
  return fault ? fault->text : "";
}

std::int64_t KafkaFetch::end(int partition) const {
  std::int64_t first = 0, end = 0;
  const auto known =
      rd_kafka_get_watermark_offsets(handle_->get(), topic_.c_str(), partition, &first, &end);
  return known == RD_KAFKA_RESP_ERR_NO_ERROR ? std::max<std::int64_t>(0, end) : 0;
}

}  // namespace millrace::source
