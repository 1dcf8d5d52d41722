#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/calendar.hpp"
#include "app/commands.hpp"
#include "app/companion.hpp"
#include "app/run_lines.hpp"
#include "http/url.hpp"

namespace millrace::app {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

// Partitions of one state, the latest first: `2026-11-23, 2026-11-22 and 5 more`.
std::string partitions_in(const Json& job, std::string_view state, std::size_t count_max) {
  std::string out;
  std::size_t count = 0;
  for (const auto& partition : items_of(job, "partitions")) {
    if (cell(partition, "state").value_or("") != state) continue;
    if (++count > count_max) continue;
    out += (out.empty() ? "" : ", ") + cell(partition, "partition").value_or("all");
  }
  if (count > count_max) out += fmt::format(" and {} more", count - count_max);
  return out;
}

Cell last_run_of(const Json& job) {
  const auto run = job.find("last_run");
  if (run == job.end() || !run->is_object()) return std::nullopt;
  return fmt::format(
      "{} {}", cell(*run, "status").value_or("?"),
      time_cell(*run, "ended_at").value_or(time_cell(*run, "started_at").value_or("")));
}

std::string stale_of(const Json& job) {
  constexpr std::size_t kShown = 3;
  std::string out;
  for (const auto* state : {"running", "failed", "blocked", "due", "stale", "filling"}) {
    const auto names = partitions_in(job, state, kShown);
    if (!names.empty()) out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", state, names);
  }
  if (!out.empty()) return out;
  const auto partitions = job.find("partitions");
  return partitions == job.end() || partitions->empty() ? "none yet" : "all fresh";
}

// `reporting`, `reporting: 3 wait`, with why if a load failed.
Cell warehouse_of(const Json& job) {
  const auto load = job.find("load");
  if (load == job.end() || !load->is_object()) return std::nullopt;
  auto out = cell(*load, "warehouse").value_or("?");
  const auto waiting = cell(*load, "waiting");
  if (waiting && *waiting != "0") out += fmt::format(": {} wait", *waiting);
  if (const auto error = cell(*load, "error")) out += fmt::format(": {}", *error);
  const auto unproven = load->find("unproven");
  if (unproven == load->end() || !unproven->is_object()) return out;
  for (const auto& [partition, why] : unproven->items()) {
    out += fmt::format(": {} is not what the lake has", partition);
  }
  return out;
}

// How the partitions of each job are, and below them what the signs mean.
void print_calendars(const Json& jobs, Screen& screen) {
  std::vector<PartitionMark> all;
  for (const auto& job : jobs) {
    std::vector<PartitionMark> marks;
    for (const auto& partition : items_of(job, "partitions")) {
      marks.push_back(
          {cell(partition, "partition").value_or(""), cell(partition, "state").value_or("?")});
    }
    const auto text = calendar(marks, screen.paint());
    if (text.empty()) continue;
    screen.print(fmt::format("\n{}\n{}", cell(job, "name").value_or("?"), text));
    all.insert(all.end(), marks.begin(), marks.end());
  }
  if (!all.empty()) screen.print("\n" + calendar_legend(all, screen.paint()) + "\n");
}

Exit ask_for_runs(const JobOptions& options, std::string_view what, const Json& body,
                  Screen& screen) {
  const auto* none = what == "loads" ? "nothing to do: the warehouse has every partition"
                                     : "nothing to do: every partition is fresh";
  return show_runs(
      options.data,
      post(fmt::format("/v1/jobs/{}/{}", http::percent_encode(options.job), what), body.dump()),
      none, screen);
}

}  // namespace

Exit list_jobs(const JobOptions& options, Screen& screen) {
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    const auto body = TRY(companion.send(get("/v1/jobs")));
    if (options.data.output == Output::Json) {
      screen.print(body);
      return Exit::Fine;
    }
    const auto answer = TRY(parse_answer(body));
    const auto& jobs = items_of(answer, "jobs");
    const bool has_loads =
        std::ranges::any_of(jobs, [](const Json& job) { return warehouse_of(job).has_value(); });
    std::vector<TextTable::Column> columns{{"job"},      {"at"},       {"each"},
                                           {"next run"}, {"last run"}, {"partitions"}};
    if (has_loads) columns.push_back({"warehouse"});
    TextTable table(columns);
    for (const auto& job : jobs) {
      std::vector<Cell> cells{cell(job, "name"),
                              cell(job, "at").value_or("when asked"),
                              cell(job, "each").value_or(""),
                              time_cell(job, "next_run_at").value_or(""),
                              last_run_of(job).value_or("never"),
                              stale_of(job)};
      if (has_loads) cells.emplace_back(warehouse_of(job).value_or(""));
      table.add(std::move(cells));
    }
    screen.print(table.text(screen.paint(), screen.columns()));
    print_calendars(jobs, screen);
    return Exit::Fine;
  });
}

Exit list_runs(const JobOptions& options, Screen& screen) {
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    const auto body = TRY(companion.send(
        get("/v1/runs", {{"job", options.job}, {"limit", std::to_string(options.limit)}})));
    if (options.data.output == Output::Json) {
      screen.print(body);
      return Exit::Fine;
    }
    const auto answer = TRY(parse_answer(body));
    TextTable table({{"started"},
                     {"job"},
                     {"partition"},
                     {"status"},
                     {"rows", Align::Right},
                     {"took", Align::Right},
                     {"error"}});
    for (const auto& run : items_of(answer, "runs")) {
      table.add({time_cell(run, "started_at"), cell(run, "job"),
                 cell(run, "partition").value_or(""), cell(run, "status"),
                 count_cell(run, "rows").value_or(""), ms_cell(run, "duration_ms").value_or(""),
                 cell(run, "error").value_or("")});
    }
    screen.print(table.text(screen.paint(), screen.columns()));
    return Exit::Fine;
  });
}

Exit run_job(const JobOptions& options, Screen& screen) {
  Json body = Json::object();
  if (options.partition) body["partition"] = *options.partition;
  return ask_for_runs(options, "runs", body, screen);
}

Exit load_job(const JobOptions& options, Screen& screen) {
  Json body = Json::object();
  if (options.partition) body["partition"] = *options.partition;
  return ask_for_runs(options, "loads", body, screen);
}

Exit prove_job(const JobOptions& options, Screen& screen) {
  Json body = Json::object();
  if (!options.job.empty()) body["name"] = options.job;
  if (options.partition) body["partition"] = *options.partition;
  return show_runs(options.data, post("/v1/proofs", body.dump()),
                   "nothing to prove: no stream fills a table, and no partition is loaded", screen);
}

Exit backfill_job(const JobOptions& options, Screen& screen) {
  const Json body{{"from", options.from}, {"to", options.to}, {"dry_run", options.is_dry_run}};
  return ask_for_runs(options, "backfill", body, screen);
}

}  // namespace millrace::app
