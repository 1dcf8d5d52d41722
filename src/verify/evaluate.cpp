#include "verify/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "base/units.hpp"
#include "verify/instance_check.hpp"
#include "verify/reference_job.hpp"
#include "verify/visibility.hpp"
#include "verify/write_records.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;
using std::chrono::microseconds;

// Connections are opened and threads started before the first record is due.
constexpr microseconds kLead = 300ms;
constexpr auto kSettleEvery = 100ms;
// How long after its second day a late record can be.
constexpr auto kDaysBack = std::chrono::days(2);

/// One evaluation on its way.
class Evaluation {
 public:
  struct Parts {
    const EvaluateOptions& options;
    const base::Clock& clock;
    std::stop_token stop;
    const std::function<void(const EvaluateProgress&)>& on_progress;
  };

  Evaluation(Parts parts, ApiClient& client,
             const std::map<base::ShardId, base::Offset>& stream_ends)
      : parts_(std::move(parts)), client_(client), check_(client, stream_ends) {}

  Result<Scorecard> run() {
    const auto& options = parts_.options;
    const auto today = std::chrono::floor<std::chrono::days>(parts_.clock.now());
    const Totals before = TRY(check_.totals_of_table(today - kDaysBack));
    const Generator generator =
        TRY(Generator::make({.dataset = "orders",
                             .seed = options.seed,
                             .start = parts_.clock.now() + kLead,
                             .records_per_second = options.records_per_second,
                             .bursts = {options.burst},
                             .shares = options.shares,
                             .timezone = options.timezone}));
    const std::uint64_t count = generator.schedule().count_before(options.duration);
    if (count == 0) return Error{Code::Invalid, "the duration is too short for one record"};
    TRY(send(generator, count));
    const Truth truth(generator, count, is_.sent.failed);
    TRY(settle(truth));
    tell({.phase = "comparing"});
    is_.rows = TRY(check_.rows(truth));
    TRY(run_job(truth, before));
    // After the job, which has everything committed: rejects are seen from their commit on.
    is_.rejects_expected = truth.rejects();
    is_.rejects_seen = TRY(check_.rejects());
    tell({.phase = "report"});
    is_.report = TRY(check_.report(parts_.clock));
    return judge(std::move(is_), options.targets);
  }

 private:
  void tell(EvaluateProgress progress) {
    if (!parts_.on_progress) return;
    Latencies all = visibility_.calm();
    all.merge(visibility_.burst());
    progress.sent = std::max(progress.sent, is_.sent.records_sent);
    progress.acknowledged = std::max(progress.acknowledged, is_.sent.records_acknowledged);
    progress.visible_p99 = all.quantile(0.99);
    parts_.on_progress(progress);
  }

  Result<void> check_running() const {
    if (!parts_.stop.stop_requested()) return {};
    return Error{Code::Cancelled, "the evaluation was stopped"};
  }

  Result<void> send(const Generator& generator, std::uint64_t count) {
    const auto& options = parts_.options;
    offer_markers(generator, count);
    std::jthread watcher([this](const std::stop_token& done) { watch_rows(done); });
    const auto on_sent = [&](const SendReport& report) {
      const auto at = parts_.clock.now() - generator.options().start;
      tell({.phase = "sending",
            .done = static_cast<double>(report.records_sent) / static_cast<double>(count),
            .is_burst = generator.schedule().is_burst(at),
            .sent = report.records_sent,
            .acknowledged = report.records_acknowledged});
    };
    is_.sent = TRY(send_records(generator,
                                {.host = options.address.host,
                                 .port = options.address.port,
                                 .stream = std::string(ReferenceJob::kStream),
                                 .headers = options.address.headers,
                                 .count = count,
                                 .records_per_body = options.records_per_body,
                                 .connections = options.connections},
                                parts_.clock, parts_.stop, on_sent));
    const auto pending = [&]() -> Result<std::uint64_t> { return visibility_.pending_count(); };
    TRY(wait_while(pending));
    watcher.request_stop();
    watcher.join();
    is_.visible_calm = visibility_.calm();
    is_.visible_burst = visibility_.burst();
    is_.never_visible = visibility_.pending_count();
    is_.burst_factor = options.burst.factor;
    is_.burst_length = options.burst.length;
    return {};
  }

  void offer_markers(Generator generator, std::uint64_t count) {
    Label label;
    std::string bytes;
    for (std::uint64_t index = 0; index < count; ++index) {
      bytes.clear();
      generator.write(index, label, bytes);
      const bool is_burst = generator.schedule().is_burst(generator.schedule().due(index));
      is_.burst_records += is_burst ? 1 : 0;
      if (label.is_row()) visibility_.offer(label.key, generator.due(index), is_burst);
    }
  }

  // Looks for the markers as often as asked, but leaves the server at least as much time as it
  // takes. What goes wrong here shows as rows that were never seen.
  void watch_rows(const std::stop_token& done) {
    std::optional<ApiClient> client;
    const auto& clock = parts_.clock;
    while (!done.stop_requested()) {
      const base::Time asked_at = clock.now();
      if (!client) {
        if (auto opened = ApiClient::open(parts_.options.address)) client = std::move(*opened);
      }
      const auto keys = visibility_.wanted(asked_at);
      if (!keys.empty() && client) {
        std::vector<std::string> found;
        const auto asked = client->query(marker_sql(keys), [&](const TextRow& row) -> Result<void> {
          if (!row.empty() && row[0]) found.push_back(*row[0]);
          return {};
        });
        visibility_.seen(found, clock.now());
        if (!asked) client.reset();
      }
      const microseconds took = clock.now() - asked_at;
      wait_until(clock.now() + std::max(parts_.options.poll_every - took, took), clock, done);
    }
  }

  std::string marker_sql(const std::vector<std::string>& keys) const {
    std::vector<std::string> quoted;
    for (const auto& key : keys) quoted.push_back(base::sql_string(key));
    return fmt::format("SELECT order_id FROM {} WHERE order_id IN ({}) AND {}",
                       ReferenceJob::kTable, base::join(quoted, ","), check_.ours());
  }

  // Waits until `left` says 0, as long as it falls.
  Result<void> wait_while(const std::function<Result<std::uint64_t>()>& left) {
    std::optional<std::uint64_t> first, least;
    base::Time moved_at = parts_.clock.now();
    for (;;) {
      TRY(check_running());
      const std::uint64_t now = TRY(left());
      if (now == 0) return {};
      if (!first) first = now;
      if (!least || now < *least) moved_at = parts_.clock.now();
      least = std::min(least.value_or(now), now);
      if (parts_.clock.now() - moved_at > parts_.options.settle_max) return {};
      tell({.phase = "settling",
            .done = 1 - static_cast<double>(*least) / static_cast<double>(*first)});
      wait_until(parts_.clock.now() + kSettleEvery, parts_.clock, parts_.stop);
    }
  }

  Result<void> settle(const Truth& truth) {
    return wait_while([&]() -> Result<std::uint64_t> {
      const std::uint64_t seen = TRY(check_.count_keys());
      return truth.row_count() - std::min(truth.row_count(), seen);
    });
  }

  // What the days must add up to is known from the labels, and from what was there before.
  Result<void> run_job(const Truth& truth, const Totals& before) {
    std::set<config::CalendarDay> days;
    for (const auto& [group, total] : truth.totals()) days.insert(group.second);
    Totals expected = before;
    std::erase_if(expected, [&](const auto& one) { return !days.contains(one.first.second); });
    add(expected, truth.totals());
    const auto started = parts_.clock.steady_now();
    double done = 0;
    for (const auto day : days) {
      TRY(check_running());
      tell({.phase = "totals", .done = done});
      done += 1.0 / static_cast<double>(days.size());
      auto failure = TRY(client_.run_job(std::string(ReferenceJob::kJob), config::format_day(day)));
      if (!failure.empty()) is_.job_failures.push_back(std::move(failure));
    }
    is_.job_time = std::chrono::duration_cast<microseconds>(parts_.clock.steady_now() - started);
    const std::vector<config::CalendarDay> list(days.begin(), days.end());
    const Totals seen = TRY(check_.totals_of_job(list));
    is_.totals = compare(expected, seen);
    return {};
  }

  const Parts parts_;
  ApiClient& client_;
  InstanceCheck check_;
  Visibility visibility_{{}};
  Measurements is_;
};

}  // namespace

Result<Scorecard> evaluate(const EvaluateOptions& options, const base::Clock& clock,
                           const std::stop_token& stop,
                           const std::function<void(const EvaluateProgress&)>& on_progress) {
  if (options.burst.start + options.burst.length > options.duration) {
    return Error{Code::Invalid,
                 fmt::format("the burst ends at {}, after the {} of the evaluation",
                             base::format_duration(options.burst.start + options.burst.length),
                             base::format_duration(options.duration))};
  }
  auto client = TRY(ApiClient::open(options.address));
  const auto ends = TRY(client.stream_ends(std::string(ReferenceJob::kStream)));
  return Evaluation({options, clock, stop, on_progress}, client, ends).run();
}

}  // namespace millrace::verify
