#include "batch/single_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "batch/attempts.hpp"

namespace millrace::batch {

base::Result<RunRow> run_single(RunsTable& runs, const SingleRun& single) {
  const auto& tools = runs.table().tools();
  const auto started = tools.clock.steady_now();
  const auto now = tools.clock.now();
  RunRow row{.run_id = new_run_id(now, tools.random),
             .job = single.job,
             .partition = single.partition,
             .started_at = now,
             .ended_at = now,
             .trigger = single.trigger};
  auto claimed = TRY(runs.claim({row.run_id, row.job, row.partition, row.trigger, row.started_at},
                                [](const Claim&) { return std::optional<std::int64_t>(); }));
  if (const auto* held = std::get_if<Held>(&claimed)) {
    row.status = RunStatus::Skipped;
    row.error = fmt::format("another process {}, its claim expires at {}", single.held,
                            base::format_time(held->until));
    return row;
  }
  auto& claim = std::get<Claim>(claimed);
  single.work(row, claim);
  row.duration =
      std::chrono::duration_cast<std::chrono::microseconds>(tools.clock.steady_now() - started);
  row.ended_at = std::max(tools.clock.now(), row.started_at);
  if (single.ended) single.ended(row);
  TRY(runs.finish(claim, row));
  return row;
}

}  // namespace millrace::batch
