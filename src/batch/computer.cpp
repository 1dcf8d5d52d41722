#include "batch/computer.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/checker.hpp"
#include "batch/job_sql.hpp"
#include "lake/data_file.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kResult = "millrace_result";

std::string one_line(std::string_view sql) {
  std::string line;
  for (const char c : base::trimmed(sql)) {
    const bool is_space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!is_space || !line.ends_with(' ')) line += is_space ? ' ' : c;
  }
  return base::printable(line, 120);
}

std::string columns_of(const lake::Schema& schema) {
  std::vector<std::string> names;
  for (const auto& column : schema) names.push_back(base::sql_name(column.name));
  return base::join(names, ", ");
}

}  // namespace

Result<Computer> Computer::open(const RunnableJob& job, const lake::Tools& tools,
                                ChecksTable& checks) {
  return Computer(job, tools, checks, TRY(tools.engine.connect()));
}

std::string Computer::bound(const Partition& partition, const std::string& sql) const {
  const auto& each = job_.plan.job.each_column;
  return each.empty() ? sql : with_parameter(sql, each, literal_of(partition));
}

Result<Computed> Computer::compute(const std::shared_ptr<const Pinned>& pinned,
                                   const Partition& partition, const RunRow& row,
                                   std::vector<CheckResult>& checks) {
  const auto& plan = job_.plan;
  checks.clear();
  TRY(show_inputs(pinned, partition));
  const auto made = connection_.run(
      fmt::format("CREATE OR REPLACE TEMP TABLE {} AS {}", kResult, bound(partition, plan.select)));
  if (!made && made.error().code == Code::Invalid) {
    return Error{Code::Invalid, made.error().message, plan.job.sql.place.text()};
  }
  TRY(made);
  TRY(judge(partition, row, checks));
  const std::string select =
      fmt::format("SELECT {} FROM {}", lake::data_columns(*pinned->output->metadata), kResult);
  auto file = TRY(lake::write_data_file(connection_, job_.output, select,
                                        values_of(partition, plan.job.each_column)));
  return Computed{pinned, std::move(file)};
}

// Tables of which only the partition is read, by the files of the partition; others once for all.
Result<void> Computer::show_inputs(const std::shared_ptr<const Pinned>& pinned,
                                   const Partition& partition) {
  const bool is_shown = shown_ == pinned;
  if (!is_shown) pins_.clear();
  shown_ = nullptr;
  for (const auto& name : job_.plan.views) {
    const auto& cut = pinned->table(name);
    const auto files = pinned->files_within(name, partition);
    if (is_shown && !files) continue;
    TRY(show(name, scan(cut, files)));
  }
  shown_ = pinned;
  return {};
}

std::string Computer::scan(const flow::TableCut& table, const std::optional<Files>& files) {
  const auto& metadata = *table.snapshot->metadata;
  if (files) {
    return tools_.cache ? tools_.cache->scan_sql(table.root, metadata, *files, pins_)
                        : lake::scan_sql(table.root, metadata, *files);
  }
  return tools_.cache ? tools_.cache->scan_sql(table.root, *table.snapshot, pins_)
                      : lake::scan_sql(table.root, *table.snapshot);
}

Result<void> Computer::show(const std::string& name, const std::string& select) {
  return connection_.run(
      fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}", base::sql_name(name), select));
}

// Everything that must hold before the partition is replaced.
Result<void> Computer::judge(const Partition& partition, const RunRow& row,
                             std::vector<CheckResult>& checks) {
  const auto& plan = job_.plan;
  if (plan.reconcile.empty() && plan.job.expectations.empty()) return {};
  TRY(show_new_among_others(partition));
  auto reconciled = reconcile(partition, checks);
  const NewPartition fresh{.plan = plan,
                           .partition = partition,
                           .result = std::string(kResult),
                           .run = {.run_id = row.run_id,
                                   .job = row.job,
                                   .partition = row.partition,
                                   .at = tools_.clock.now()}};
  const auto results = TRY(check(fresh, connection_, checks_));
  checks.insert(checks.end(), results.begin(), results.end());
  TRY(std::move(reconciled));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].outcome != CheckOutcome::Failed) continue;
    return Error{Code::Invalid, fmt::format("expect {}: {}", results[i].check, results[i].detail),
                 plan.job.expectations[i].place.text()};
  }
  return {};
}

// The job's own table as it would be. Where nothing reads other partitions of it they are left out.
Result<void> Computer::show_new_among_others(const Partition& partition) {
  const auto& plan = job_.plan;
  const auto fresh = fmt::format("SELECT {} FROM {}", columns_of(plan.schema), kResult);
  if (!plan.is_in_order) return show(plan.job.name, fresh);
  Files others;
  const auto values = values_of(partition, plan.job.each_column);
  for (const auto& [path, file] : shown_->output->files) {
    if (file->partition_values != values) others.push_back(file);
  }
  return show(
      plan.job.name,
      fmt::format("{} UNION ALL {}",
                  lake::scan_sql(job_.output.root(), *shown_->output->metadata, others), fresh));
}

Result<void> Computer::reconcile(const Partition& partition, std::vector<CheckResult>& checks) {
  const auto& pairs = job_.plan.reconcile;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& [left, right] = pairs[i];
    const auto place = job_.plan.job.reconcile[i].left.place.text();
    auto rows = connection_.query(bound(
        partition,
        fmt::format("SELECT l IS NOT DISTINCT FROM r, coalesce(CAST(l AS VARCHAR), 'NULL'), "
                    "coalesce(CAST(r AS VARCHAR), 'NULL') FROM (SELECT ({}\n) AS l, ({}\n) AS r)",
                    left, right)));
    if (!rows) {
      const bool is_invalid = rows.error().code == Code::Invalid;
      return is_invalid ? Error{Code::Invalid, "reconcile: " + rows.error().message, place}
                        : rows.error();
    }
    const auto chunk = TRY(rows->next());
    CHECK(chunk && chunk->row_count() == 1);
    auto& result = checks.emplace_back();
    result = {.check = fmt::format("reconcile {}", i + 1), .kind = "reconcile"};
    if (chunk->column(0).data<bool>()[0]) continue;
    result.outcome = CheckOutcome::Failed;
    result.detail = fmt::format("{} is not {}", chunk->column(1).text(0), chunk->column(2).text(0));
    return Error{Code::Invalid,
                 fmt::format("reconcile: {} is not {}\n  {}  gives {}\n  {}  gives {}",
                             chunk->column(1).text(0), chunk->column(2).text(0), one_line(left),
                             chunk->column(1).text(0), one_line(right), chunk->column(2).text(0)),
                 place};
  }
  return {};
}

}  // namespace millrace::batch
