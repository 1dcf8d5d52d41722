#include "flow/alerts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/units.hpp"
#include "flow/alert_events.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;
using namespace std::chrono_literals;

// How soon the history shows what was sent.
constexpr auto kCollectEvery = 50ms;
constexpr auto kGaugesEvery = 1s;
constexpr std::uint64_t kQueuesBytesMax = std::uint64_t{64} << 20;  // of all deliveries
constexpr auto kGrace = 2s;  // for what is being sent when the program ends

// What the commits of this data folder's workers are told by from those of others.
Result<std::string> worker_name(const lake::Tools& tools, const os::Path& folder) {
  const auto path = folder / "worker";
  constexpr std::size_t kBytesMax = 100;
  const auto known = os::read_file(tools.disk, path, kBytesMax);
  if (known) return std::string(base::trimmed(*known));
  if (known.error().code != Code::NotFound) return known.error();
  const auto name = tools.random.uuid();
  TRY(os::write_file(tools.disk, path, name + "\n"));
  return name;
}

}  // namespace

Result<std::unique_ptr<Alerts>> Alerts::open(AlertsParts parts) {
  std::unique_ptr<Alerts> alerts(new Alerts(std::move(parts)));
  const auto& own = alerts->parts_;
  const auto tables = own.tools.tables_of(own.folder);
  if (own.pipeline.alerts.empty()) {
    // Alerts that are gone from the file must be put to rest; else there is nothing to do.
    const auto there = lake::Table::open(tables / kAlertsTable, own.tools);
    if (!there && there.error().code == Code::NotFound) return alerts;
  }
  const auto worker = own.shards_of ? TRY(worker_name(own.tools, own.folder)) : "";
  alerts->history_ = TRY(AlertHistory::open(tables, own.pipeline.name, own.tools, own.board, worker)
                             .context(fmt::format("table '{}'", kAlertsTable)));
  TRY(alerts->open_deliveries());
  return alerts;
}

Alerts::~Alerts() {
  thread_ = {};
  for (const auto& delivery : deliveries_) delivery->stop(microseconds(0));
}

DeliveryName Alerts::name_of(const config::Alert& alert, const std::string& target) const {
  const auto& source = parts_.pipeline.root_source(*parts_.pipeline.table(alert.from));
  return {parts_.pipeline.name, alert.name,  target,
          alert.from,           source.name, parts_.incarnations.at(source.name)};
}

Result<void> Alerts::open_deliveries() {
  std::vector<AlertHistory::Wanted> wanted;
  const auto cut = parts_.board.cut();
  for (const auto& alert : parts_.pipeline.alerts) {
    for (const auto& target : alert.targets) {
      auto name = name_of(alert, target.name);
      const auto& positions = cut->tables.at(alert.from).snapshot->transactions;
      auto ends = positions_below(positions, name.table_prefix());
      ends.merge(positions_below(positions, name.table_replay_prefix()));
      wanted.push_back({std::move(name), std::move(ends)});
    }
  }
  TRY(history_->enrol(wanted));
  for (const auto& alert : parts_.pipeline.alerts) {
    for (const auto& target : alert.targets) {
      deliveries_.push_back(
          TRY(open_delivery(alert, target)
                  .context(fmt::format("alert '{}', {}", alert.name, target.name))));
    }
  }
  return {};
}

Result<std::unique_ptr<Delivery>> Alerts::open_delivery(const config::Alert& alert,
                                                        const config::AlertTarget& target) {
  const auto name = name_of(alert, target.name);
  const auto columns = parts_.plans.columns.find(alert.from);
  CHECK(columns != parts_.plans.columns.end());
  auto planned =
      plan_alert(alert, columns->second, fmt::format("alert/{}/{}", alert.name, target.name),
                 parts_.tools.engine, *parts_.plans.relations);
  if (!planned.errors.empty()) return planned.errors.front();
  auto start = TRY(settled_before(*history_, name));
  AlertGate gate(alert);
  TRY(restore_gate(*history_, alert, name, gate));
  std::unique_ptr<AlertSink> dead_letter;
  if (alert.dead_letter) dead_letter = TRY(parts_.make_sink(alert, *alert.dead_letter));
  auto outbox = parts_.options.outbox;
  outbox.retry_for = alert.retry_for;
  outbox.is_bare = alert.is_bare;
  std::size_t deliveries = 0;
  for (const auto& each : parts_.pipeline.alerts) deliveries += each.targets.size();
  outbox.bytes_max = std::min(outbox.bytes_max, kQueuesBytesMax / deliveries);
  const auto positions = start.positions;
  std::function<std::map<std::int32_t, std::uint64_t>()> ours;
  if (parts_.shards_of && parts_.shards_of(name.source)) {
    ours = [this, source = name.source] { return *parts_.shards_of(source); };
  }
  return std::make_unique<Delivery>(Delivery::Parts{
      .name = name,
      .reader = AlertReader(std::move(planned.plan), name, std::move(start)),
      .gate = std::move(gate),
      .positions = positions,
      .sink = TRY(parts_.make_sink(alert, target)),
      .dead_letter = std::move(dead_letter),
      .engine = parts_.tools.engine,
      .board = parts_.board,
      .clock = parts_.tools.clock,
      .random = parts_.tools.random,
      .telemetry = parts_.tools.telemetry,
      .outbox = outbox,
      .keeps_all_rows = alert.keeps_all_rows,
      .ours = std::move(ours),
      .start = [this, name]() -> Result<AlertReader::Start> {
        std::lock_guard one_at_a_time(history_mutex_);
        TRY(history_->table().refresh());
        return settled_before(*history_, name);
      },
      .has_to_wait =
          [this] {
            return history_->uncommitted_bytes() >= parts_.options.uncommitted_bytes_max;
          }});
}

void Alerts::start(std::function<void(const Error&)> on_fatal) {
  if (!history_) return;
  {
    std::lock_guard lock(mutex_);
    on_fatal_ = std::move(on_fatal);
  }
  for (const auto& delivery : deliveries_) delivery->start();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Alerts::collect() {
  std::vector<std::pair<DeliveryName, Settled>> settled;
  for (const auto& delivery : deliveries_) {
    settled.emplace_back(delivery->name(), delivery->take_settled());
  }
  history_->add(settled);
}

Result<void> Alerts::commit_now() {
  if (!history_) return {};
  std::lock_guard one_at_a_time(history_mutex_);
  collect();
  return history_->commit();
}

void Alerts::run(const std::stop_token& stop) {
  auto committed_at = std::chrono::steady_clock::now();
  auto measured_at = committed_at - kGaugesEvery;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kCollectEvery, [] { return false; });
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - measured_at >= kGaugesEvery) {
      measured_at = now;
      for (const auto& one : status()) events::alert_gauges(parts_.tools.telemetry, one);
    }
    const bool is_due = now - committed_at >= parts_.options.commit_every ||
                        history_->uncommitted_bytes() >= parts_.options.uncommitted_bytes_max / 2;
    if (!is_due) {
      std::lock_guard one_at_a_time(history_mutex_);
      collect();
      continue;
    }
    committed_at = now;
    const auto done = commit_now();
    if (done) continue;
    events::alert_history_failed(parts_.tools.telemetry, done.error());
    if (done.error().code != Code::Denied) continue;
    std::function<void(const Error&)> call;
    {
      std::lock_guard lock(mutex_);
      call.swap(on_fatal_);
    }
    if (call) call(done.error());
    return;
  }
}

Result<void> Alerts::settle_all(microseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (const auto& delivery : deliveries_) delivery->hurry();
  for (const auto& delivery : deliveries_) {
    while (!delivery->is_done()) {
      if (std::chrono::steady_clock::now() >= until) {
        return Error{Code::Unavailable,
                     fmt::format("alert '{}' has not sent everything within {}",
                                 delivery->name().alert, base::format_duration(timeout))};
      }
      std::this_thread::sleep_for(1ms);
    }
  }
  if (!history_) return {};
  std::lock_guard one_at_a_time(history_mutex_);
  collect();
  return {};
}

Result<void> Alerts::stop() {
  if (!history_) return {};
  for (const auto& delivery : deliveries_) delivery->stop(kGrace);
  thread_ = {};
  return commit_now();
}

std::vector<DeliveryStatus> Alerts::status() const {
  std::vector<DeliveryStatus> all;
  for (const auto& delivery : deliveries_) all.push_back(delivery->status());
  return all;
}

Delivery* Alerts::find(const std::string& alert, const std::string& target) const {
  for (const auto& delivery : deliveries_) {
    if (delivery->name().alert == alert && delivery->name().target == target) {
      return delivery.get();
    }
  }
  return nullptr;
}

Result<AlertsRetried> Alerts::retry(const AlertRetry& request) {
  AlertsRetried retried;
  if (!history_) return retried;
  TRY(commit_now());
  std::vector<DeadRow> rows;
  {
    std::lock_guard one_at_a_time(history_mutex_);
    rows = TRY(dead_rows(*history_, request));
  }
  for (auto& row : rows) {
    auto* delivery = find(row.alert, row.target);
    if (!delivery) continue;
    const auto attempt = delivery->send_again(std::move(row.message));
    const bool is_sent = attempt.what == AlertAttempt::What::Sent;
    ++(is_sent ? retried.sent : retried.dead);
    if (!is_sent) retried.error = attempt.error;
  }
  TRY(commit_now());
  return retried;
}

}  // namespace millrace::flow
