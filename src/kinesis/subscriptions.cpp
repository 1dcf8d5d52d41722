#include "kinesis/subscriptions.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "kinesis/event_stream.hpp"
#include "kinesis/fault.hpp"
#include "kinesis/sequence_number.hpp"

namespace millrace::kinesis {

using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;

namespace {

constexpr std::size_t kSubscriptionsMax = 128;
constexpr std::size_t kRecordsOfEvent = 5000;
constexpr auto kLife = std::chrono::minutes(5);
// An event without records says that all is well, and finds out that nobody listens any more.
constexpr auto kQuietMax = std::chrono::seconds(5);
constexpr auto kWaitMax = std::chrono::milliseconds(200);

std::string_view payload_type(Encoding encoding) {
  return encoding == Encoding::Json ? "application/json" : "application/cbor";
}

std::string event(const Call& call, std::string_view type, std::string_view payload) {
  return event_message({{":message-type", "event"},
                        {":event-type", type},
                        {":content-type", payload_type(call.encoding())}},
                       payload);
}

std::string exception(const Call& call, const Error& error) {
  const Error told = as_fault(error);
  DocumentWriter out(call.encoding());
  out.begin_object();
  out.text("message", told.message);
  out.end_object();
  return event_message({{":message-type", "exception"},
                        {":exception-type", told.place},
                        {":content-type", payload_type(call.encoding())}},
                       out.take());
}

std::string records_event(const Call& call, const Cursor& cursor, const Page& page) {
  DocumentWriter out(call.encoding());
  out.begin_object();
  write_records(cursor, page, out);
  if (page.is_finished) {
    write_children(cursor, out);
  } else {
    const auto file = cursor.subject.stream->description();
    const auto created_at = file->shards.at(cursor.shard).created_at;
    out.text("ContinuationSequenceNumber",
             SequenceNumber{cursor.shard, created_at, cursor.next.value()}.text());
  }
  out.integer("MillisBehindLatest", page.millis_behind);
  out.end_object();
  return event(call, "SubscribeToShardEvent", out.take());
}

// Waits for a record of that shard only.
void wait_for_more(const Cursor& cursor, const std::stop_token& stop) {
  std::vector<Offset> positions(static_cast<std::size_t>(cursor.shard.value()) + 1,
                                Offset(INT64_MAX));
  positions.back() = cursor.next;
  (void)cursor.subject.stream->wait_beyond(positions, kWaitMax, stop);
}

}  // namespace

Result<Cursor> Subscriptions::cursor_of_call(const Call& call) const {
  const std::string& arn = *call.text("ConsumerARN");
  auto subject = TRY(subject_of_arn(context_, arn));
  const auto parts = parse_arn(arn);
  const auto file = subject.stream->description();
  const auto consumer = file->consumers.find(parts->consumer);
  if (consumer == file->consumers.end() ||
      consumer_arn(subject.arn, consumer->first, consumer->second) != arn) {
    return fault(kResourceNotFound, fmt::format("Consumer {} not found.", arn));
  }
  const auto shard = TRY(shard_of(call, subject, *file, *call.text("ShardId")));
  const Value& position = *call.input().find("StartingPosition");
  const Value* number = position.find("SequenceNumber");
  const Value* time = position.find("Timestamp");
  StartingPosition start{.type = position.find("Type")->text,
                         .sequence_number = number ? &number->text : nullptr};
  if (time) start.time = base::Time(std::chrono::microseconds(time->integer));
  const auto next = TRY(resolve(context_, subject, shard, start));
  return Cursor{std::move(subject), shard, next};
}

void Subscriptions::start(std::shared_ptr<Call> call) {
  auto cursor = cursor_of_call(*call);
  if (!cursor) return call->fail(context_, cursor.error());
  const std::string key = *call->text("ConsumerARN") + "/" + shard_name(cursor->shard);
  std::list<Running> over;  // joined when the lock is free
  {
    const std::lock_guard lock(mutex_);
    for (auto at = running_.begin(); at != running_.end();) {
      const auto next = std::next(at);
      if (at->key == key) at->thread.request_stop();
      if (at->is_over) over.splice(over.end(), running_, at);
      at = next;
    }
    if (!is_ended_ && running_.size() < kSubscriptionsMax) {
      auto& mine = running_.emplace_back();
      mine.key = key;
      mine.thread = std::jthread(
          [this, call, cursor = *cursor, &is_over = mine.is_over](const std::stop_token& stop) {
            run(*call, cursor, stop);
            is_over = true;
          });
      return;
    }
  }
  call->fail(context_, fault(kLimitExceeded, fmt::format("There are {} subscriptions already.",
                                                         kSubscriptionsMax)));
}

void Subscriptions::end() {
  const std::lock_guard lock(mutex_);
  is_ended_ = true;
  for (auto& each : running_) each.thread.request_stop();
}

void Subscriptions::run(Call& call, Cursor cursor, const std::stop_token& stop) const {
  auto headers = call.headers(context_);
  headers.set("Content-Type", "application/vnd.amazon.eventstream");
  const auto body = call.exchange().start(200, headers);
  const std::string_view nothing = call.encoding() == Encoding::Json ? "{}" : "\xa0";
  if (!body->write(event(call, "initial-response", nothing))) return;
  const auto end = context_.clock.steady_now() + kLife;
  auto quiet_since = context_.clock.steady_now();
  bool is_first = true;
  while (!stop.stop_requested() && context_.clock.steady_now() < end) {
    const auto page = read_page(context_, cursor, kRecordsOfEvent);
    if (!page) {
      (void)body->write(exception(call, page.error()));
      break;
    }
    const auto now = context_.clock.steady_now();
    const bool is_due = is_first || now - quiet_since >= kQuietMax;
    if (!page->batch.records.empty() || page->is_finished || is_due) {
      is_first = false;
      quiet_since = now;
      if (!body->write(records_event(call, cursor, *page))) return;
    }
    if (page->is_finished) break;
    if (page->batch.records.empty()) wait_for_more(cursor, stop);
  }
  (void)body->finish();
}

}  // namespace millrace::kinesis
