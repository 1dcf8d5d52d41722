#pragma once

#include <functional>
#include <set>

#include "batch/computer.hpp"
#include "batch/engine_runs.hpp"
#include "batch/replacement.hpp"
#include "batch/test_bench.hpp"

namespace millrace::batch {

/// An engine that does what a test says.
class FakeEngine final : public Engine {
 public:
  using Act = std::function<base::Result<void>(const EngineOrder&)>;

  std::string_view name() const override { return "glue"; }
  bool outlives_process() const override { return outlives; }
  std::chrono::microseconds timeout() const override { return 1h; }
  base::Result<void> run(const EngineOrder& order, const std::stop_token&) override {
    orders.push_back(order);
    return act(order);
  }
  base::Result<void> follow(const std::string& token, const std::stop_token&) override {
    followed.push_back(token);
    return act({.token = token});
  }

  Act act = [](const EngineOrder&) { return base::Result<void>(); };
  bool outlives = false;
  std::vector<EngineOrder> orders;
  std::vector<std::string> followed;
};

/// The job `daily` of a shop, all that an engine's runs need, and what an engine does.
class EngineBench : public JobsBench {
 public:
  explicit EngineBench(const std::string& job) : JobsBench(shop(job)) {
    auto plans = plan_jobs(pipeline, {{"orders", order_columns()}}, *engine);
    for (const auto& error : plans.errors) ADD_FAILURE() << error.text();
    plan = std::move(plans.plans.at(0));
    const auto tables = folder.path() / "tables";
    output = lake::Table::open_or_create(tables / "daily", plan.schema, {"day"}, tools()).value();
    marks.emplace(pipeline.name, plan, zone);
    runs = RunsTable::open(tables / "_runs", tools(), {.pipeline = pipeline.name}).value();
    checks = ChecksTable::open(tables / "_checks", tools()).value();
    board.add_table("daily", *output);
    board.add_table("_runs", runs->table());
    board.add_table("_checks", checks->table());
    engine_runs.emplace(RunnerParts{tools(), board, *runs, *checks, 1}, tables,
                        Secrets(pipeline, {{"SHOP_PASSWORD", "opensesame"}}));
  }

  RunnableJob job() { return {plan, *output, *marks}; }

  Partition day(const std::string& text) {
    return parse_partition(config::Each::Day, text, zone).value();
  }

  /// The runs of one call, and how they went: `2026-11-20 succeeded 1`.
  std::string run(const std::vector<std::string>& days, FakeEngine& on,
                  const std::function<base::Result<bool>(const Partition&)>& is_wanted = {}) {
    const auto runnable = job();
    RunRequest request{runnable, {}, Trigger::Backfill, is_wanted};
    for (const auto& text : days) request.partitions.push_back(day(text));
    return told(engine_runs->run(request, on, stop.get_token()));
  }
  std::string adopt(FakeEngine& on) {
    return told(engine_runs->adopt(job(), on, stop.get_token()));
  }
  static std::string told(const base::Result<std::vector<RunRow>>& rows) {
    if (!rows) return rows.error().text();
    std::string text;
    for (const auto& row : *rows) {
      text += (text.empty() ? "" : ", ") + row.partition + " " + std::string(name_of(row.status));
      text += row.error.empty() ? " " + std::to_string(row.rows) : ": " + row.error;
    }
    return text;
  }

  /// What an engine does with a partition of an order: computes and commits it.
  void commit(const EngineOrder& order, const std::string& text) {
    const auto runnable = job();
    const auto partition = day(text);
    auto computer = Computer::open(runnable, tools(), *checks).value();
    std::vector<CheckResult> found;
    const RunRow row{.run_id = order.token + "-" + text, .job = "daily", .partition = text};
    const auto pinned = Pinned::pin(runnable, board).value();
    const auto computed = computer.compute(pinned, partition, row, found).value();
    std::vector<Replacement> replacements{{partition, computed, row.run_id}};
    replace_partitions(runnable, replacements);
    ASSERT_TRUE(std::holds_alternative<Replacement::Done>(replacements[0].outcome));
  }
  /// What it tells of its runs.
  void tell(const EngineOrder& order, const std::string& json) {
    const auto path = folder.path() / "tables" / "_engine";
    disk.make_directories(path).value();
    os::write_file(disk, path / (order.token + ".json"), json).value();
  }

  const config::TimeZone zone = config::TimeZone::find("Europe/Berlin").value();
  JobPlan plan;
  std::unique_ptr<lake::Table> output;
  std::optional<Marks> marks;
  std::unique_ptr<RunsTable> runs;
  std::unique_ptr<ChecksTable> checks;
  std::optional<EngineRuns> engine_runs;
  std::stop_source stop;
};

}  // namespace millrace::batch
