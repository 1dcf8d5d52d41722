#include "verify/scorecard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/units.hpp"
#include "verify/append.hpp"

namespace millrace::verify {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::microseconds;

double milliseconds_of(microseconds time) {
  return static_cast<double>(time.count()) / 1e3;
}

std::string text_of(const Latencies& latencies) {
  return fmt::format("p50 {}, p99 {}, max {}", format_latency(latencies.quantile(0.5)),
                     format_latency(latencies.quantile(0.99)), format_latency(latencies.max()));
}

Measure latency(std::string name, const Measurements& is, const Latencies& latencies,
                microseconds target) {
  const bool is_good =
      latencies.count() > 0 && latencies.quantile(0.99) < target && is.never_visible == 0;
  std::string measured = latencies.count() > 0 ? text_of(latencies) : "nothing was seen";
  if (is.never_visible > 0) measured += fmt::format("; {} never seen", is.never_visible);
  return {std::move(name), "p99 below " + base::format_duration(target), std::move(measured),
          is_good};
}

Measure burst(const Measurements& is) {
  const double seconds = static_cast<double>(is.burst_length.count()) / 1e6;
  const double rate = seconds > 0 ? static_cast<double>(is.burst_records) / seconds : 0;
  const bool is_kept = is.sent.records_failed == 0 && is.sent.behind_max < std::chrono::seconds(1);
  return {"burst", fmt::format("{:g} times the rate is taken", is.burst_factor),
          fmt::format("{:.0f}/s for {:g} s, {} not delivered, at most {} behind", rate, seconds,
                      is.sent.records_failed, format_latency(is.sent.behind_max)),
          is_kept && is.burst_records > 0};
}

Measure share(std::string name, double share, double target, std::string of) {
  // Rounded down: 100 % is said only of all.
  const double percent = std::floor(share * 10'000) / 100;
  return {std::move(name), fmt::format("at least {:g} %", target * 100),
          fmt::format("{:.2f} % ({})", percent, of), share >= target};
}

Measure none(std::string name, std::uint64_t count, std::string of) {
  return {std::move(name), "0", fmt::format("{} ({})", count, of), count == 0};
}

// Records that came twice because an answer was lost may be rejected twice.
Measure rejects(const Measurements& is) {
  const auto& must = is.rejects_expected;
  const auto& seen = is.rejects_seen;
  const bool is_equal =
      seen.decode == must.decode && seen.expect == must.expect && seen.unique == must.unique;
  const bool is_more =
      seen.decode >= must.decode && seen.expect >= must.expect && seen.unique >= must.unique;
  return {"rejects", fmt::format("{}, each with its reason", must.count()),
          fmt::format("{} ({} undecodable, {} against an expectation, {} duplicates)", seen.count(),
                      seen.decode, seen.expect, seen.unique),
          is.sent.resent_unsure == 0 ? is_equal : is_more};
}

Measure totals(const Measurements& is) {
  std::string sums;
  append_cents(sums, is.totals.seen.cents);
  if (is.totals.seen.cents != is.totals.expected.cents) {
    sums += " instead of ";
    append_cents(sums, is.totals.expected.cents);
  }
  return {"day totals", "equal the raw records",
          fmt::format("{} of {} differ ({} in all)", is.totals.wrong, is.totals.groups, sums),
          is.totals.wrong == 0 && is.totals.groups > 0 && is.job_failures.empty()};
}

Json json_of(const Latencies& latencies) {
  return {{"count", latencies.count()},
          {"p50_ms", milliseconds_of(latencies.quantile(0.5))},
          {"p99_ms", milliseconds_of(latencies.quantile(0.99))},
          {"max_ms", milliseconds_of(latencies.max())}};
}

Json json_of(const ExpectedRejects& rejects) {
  return {{"decode", rejects.decode}, {"expect", rejects.expect}, {"unique", rejects.unique}};
}

Json json_of(const Measurements& is) {
  Json ranges = Json::array();
  for (const auto& range : is.sent.acknowledged) {
    ranges.push_back({{"shard", range.shard.value()},
                      {"first", range.first.value()},
                      {"end", range.end.value()}});
  }
  return {{"sent", is.sent.records_sent},
          {"acknowledged", is.sent.records_acknowledged},
          {"failed", is.sent.records_failed},
          {"slow_downs", is.sent.slow_downs},
          {"resent_unsure", is.sent.resent_unsure},
          {"behind_max_ms", milliseconds_of(is.sent.behind_max)},
          {"positions", std::move(ranges)},
          {"acknowledged_calm", json_of(is.sent.calm)},
          {"acknowledged_burst", json_of(is.sent.burst)},
          {"visible_calm", json_of(is.visible_calm)},
          {"visible_burst", json_of(is.visible_burst)},
          {"never_visible", is.never_visible},
          {"burst_records", is.burst_records},
          {"rows",
           {{"expected", is.rows.expected},
            {"seen", is.rows.seen},
            {"lost", is.rows.lost},
            {"doubled", is.rows.doubled},
            {"unexpected", is.rows.unexpected},
            {"wrong", is.rows.wrong}}},
          {"flags",
           {{"precision", is.rows.precision()},
            {"recall", is.rows.recall()},
            {"flagged_right", is.rows.flagged_right},
            {"flagged_wrongly", is.rows.flagged_wrongly},
            {"not_flagged_wrongly", is.rows.not_flagged_wrongly},
            {"not_flagged_right", is.rows.not_flagged_right}}},
          {"rejects_expected", json_of(is.rejects_expected)},
          {"rejects_seen", json_of(is.rejects_seen)},
          {"totals",
           {{"groups", is.totals.groups},
            {"wrong", is.totals.wrong},
            {"cents_expected", is.totals.expected.cents},
            {"cents_seen", is.totals.seen.cents}}},
          {"job_ms", milliseconds_of(is.job_time)},
          {"report_ms", milliseconds_of(is.report.slowest)}};
}

}  // namespace

std::string format_latency(microseconds latency) {
  const auto micros = static_cast<double>(latency.count());
  if (latency.count() < 1'000) return fmt::format("{} us", latency.count());
  if (micros < 99'950) return fmt::format("{:.1f} ms", micros / 1e3);
  if (micros < 999'500) return fmt::format("{:.0f} ms", micros / 1e3);
  return fmt::format("{:#.3g} s", micros / 1e6);
}

bool Scorecard::is_met() const {
  return std::ranges::all_of(measures, &Measure::is_met);
}

Scorecard judge(Measurements is, const Targets& targets) {
  Scorecard card;
  const auto& rows = is.rows;
  card.measures = {
      latency("latency, calm", is, is.visible_calm, targets.latency_p99),
      latency("latency, burst", is, is.visible_burst, targets.latency_p99),
      burst(is),
      share("flags, precision", rows.precision(), targets.flags,
            fmt::format("{} of {} flagged are right", rows.flagged_right,
                        rows.flagged_right + rows.flagged_wrongly)),
      share("flags, recall", rows.recall(), targets.flags,
            fmt::format("{} of {} are found", rows.flagged_right,
                        rows.flagged_right + rows.not_flagged_wrongly)),
      none("rows lost", rows.lost, fmt::format("of {}", rows.expected)),
      none("rows doubled", rows.doubled, fmt::format("of {}", rows.seen)),
      none("rows wrong", rows.unexpected + rows.wrong,
           fmt::format("{} should be rejects", rows.unexpected)),
      rejects(is),
      totals(is),
      {"report", "below " + base::format_duration(targets.report_time),
       is.report.failure.empty() ? format_latency(is.report.slowest) : is.report.failure,
       is.report.failure.empty() && is.report.slowest < targets.report_time}};
  for (const std::vector<std::string>* notes :
       {&std::as_const(is.sent.errors), &rows.examples, &std::as_const(is.job_failures),
        &std::as_const(is.totals.examples)}) {
    card.notes.insert(card.notes.end(), notes->begin(), notes->end());
  }
  card.measurements = std::move(is);
  return card;
}

std::string render_table(const Scorecard& card, Colour colour) {
  const auto widest = [&](std::string Measure::* part) {
    std::size_t width = 0;
    for (const auto& measure : card.measures) width = std::max(width, (measure.*part).size());
    return width;
  };
  const std::size_t name = widest(&Measure::name), target = widest(&Measure::target);
  const auto verdict = [&](bool is_met) {
    const std::string_view word = is_met ? "pass" : "FAIL";
    if (colour == Colour::No) return std::string(word);
    return fmt::format("\x1b[{}m{}\x1b[0m", is_met ? "32" : "1;31", word);
  };
  std::string text =
      fmt::format("{:<{}}  {:<{}}  {:<6}  {}\n", "", name, "target", target, "", "measured");
  for (const auto& measure : card.measures) {
    text += fmt::format("{:<{}}  {:<{}}  {}    {}\n", measure.name, name, measure.target, target,
                        verdict(measure.is_met), measure.measured);
  }
  for (const auto& note : card.notes) text += fmt::format("  {}\n", note);
  return text;
}

std::string render_json(const Scorecard& card) {
  Json measures = Json::array();
  for (const auto& measure : card.measures) {
    measures.push_back({{"name", measure.name},
                        {"target", measure.target},
                        {"measured", measure.measured},
                        {"passed", measure.is_met}});
  }
  return Json{{"passed", card.is_met()},
              {"measures", std::move(measures)},
              {"notes", card.notes},
              {"measurements", json_of(card.measurements)}}
             .dump(1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace millrace::verify
