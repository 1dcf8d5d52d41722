#include "watch/cloudwatch_sink.hpp"

#include "watch/events.hpp"

namespace millrace::watch {

using base::Code;
using base::Error;

namespace {

std::string_view mend_for(Code code) {
  switch (code) {
    case Code::Denied:
      return "allow cloudwatch:PutMetricData to these credentials; the data wait";
    case Code::Exhausted:
      return "the data wait; if it stays: a longer `every`, or fewer `labels`";
    case Code::Invalid:
      return "these data are dropped; compare `metrics` in the pipeline file with the message";
    case Code::NotFound:
      return "is the endpoint CloudWatch's? The data wait";
    default:
      return "the data wait and are sent when CloudWatch answers";
  }
}

}  // namespace

CloudWatchSink::CloudWatchSink(aws::Client& client, Options options, const base::Clock& clock,
                               base::Telemetry telemetry)
    : cloudwatch_(client, std::move(options.cloudwatch)),
      queue_bytes_max_(options.queue_bytes_max),
      clock_(clock),
      telemetry_(telemetry) {}

void CloudWatchSink::pop_first() {
  queue_bytes_ -= queue_.front().body.size();
  queue_.pop_front();
}

void CloudWatchSink::drop_first(std::string_view reason) {
  events::dropped(telemetry_, name(), reason, queue_.front().count);
  pop_first();
}

void CloudWatchSink::note(const std::optional<Error>& error) {
  if (!error && trouble_) events::works_again(telemetry_, name());
  if (error && trouble_ != error->code) {
    events::failing(telemetry_, name(), *error, mend_for(error->code));
  }
  trouble_ = error ? std::optional(error->code) : std::nullopt;
}

CloudWatchSink::Next CloudWatchSink::send_first(const std::stop_token& stop) {
  const auto& request = queue_.front();
  if (clock_.now() - request.at >= aws::CloudWatch::kAgeMax) {
    drop_first("too_old");
    return Next::GoOn;
  }
  const auto put = cloudwatch_.put(request, stop);
  if (put) {
    note({});
    events::sent(telemetry_, name(), request.count);
    pop_first();
    return Next::GoOn;
  }
  if (put.error().code == Code::Cancelled) return Next::Wait;
  note(put.error());
  if (put.error().code != Code::Invalid) return Next::Wait;
  drop_first("refused");  // it would be again
  return Next::GoOn;
}

void CloudWatchSink::take(std::vector<aws::MetricDatum> data, base::Time at,
                          const std::stop_token& stop) {
  for (auto& request : cloudwatch_.requests(data, at)) {
    queue_bytes_ += request.body.size();
    queue_.push_back(std::move(request));
  }
  while (queue_bytes_ > queue_bytes_max_) drop_first("queue_full");
  while (!queue_.empty() && !stop.stop_requested() && send_first(stop) == Next::GoOn) {
  }
  events::queued(telemetry_, name(), queue_bytes_);
}

}  // namespace millrace::watch
