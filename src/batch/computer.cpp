#include "batch/computer.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/checker.hpp"
#include "batch/job_sql.hpp"
#include "lake/data_file.hpp"
#include "lake/row_files.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kResult = "millrace_result";
constexpr std::int64_t kRowsInMemoryMax = 16'384;

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
  const bool is_judged = !plan.reconcile.empty() || !plan.job.expectations.empty();
  if (is_few_ && !is_judged) {
    auto file = write_few(pinned, partition);
    // What the other way takes too, or refuses with the better word: a WITH of the SQL's own that
    // has the name of an input.
    if (!file && file.error().code == Code::Invalid) is_few_ = false;
    if (!file && file.error().code != Code::Invalid) return std::move(file).error();
    if (is_few_) return Computed{pinned, std::move(*file)};
  }
  TRY(show_inputs(pinned, partition, Within::Shown));
  const auto made = connection_.run(
      fmt::format("CREATE OR REPLACE TEMP TABLE {} AS {}", kResult, bound(partition, plan.select)));
  if (!made && made.error().code == Code::Invalid) {
    return Error{Code::Invalid, made.error().message, plan.job.sql.place.text()};
  }
  TRY(made);
  if (is_judged) TRY(judge(partition, row, checks));
  const std::string select =
      fmt::format("SELECT {} FROM {}", lake::data_columns(*pinned->output->metadata), kResult);
  auto file = TRY(lake::write_data_file(connection_, job_.output, select,
                                        values_of(partition, plan.job.each_column)));
  is_few_ = !file || file->record_count <= kRowsInMemoryMax / 2;
  return Computed{pinned, std::move(file)};
}

// The rows go from one statement into the file. Of more than are to be in memory nothing is
// written, and they are not few.
Result<std::optional<lake::AddFile>> Computer::write_few(
    const std::shared_ptr<const Pinned>& pinned, const Partition& partition) {
  const auto inputs = TRY(show_inputs(pinned, partition, Within::Told));
  // Not as a stream: that is planned twice, which takes longer than to add up few rows.
  auto rows = TRY(connection_.query(fmt::format(
      "{}{} LIMIT {}", inputs, bound(partition, job_.plan.select), kRowsInMemoryMax + 1)));
  std::vector<std::shared_ptr<const sql::Chunk>> chunks;
  std::int64_t count = 0;
  while (auto chunk = TRY(rows.next())) {
    count += static_cast<std::int64_t>(chunk->row_count());
    is_few_ = count <= kRowsInMemoryMax;
    if (!is_few_) return std::optional<lake::AddFile>();
    chunks.push_back(std::make_shared<const sql::Chunk>(std::move(*chunk)));
  }
  auto files = TRY(lake::write_rows(job_.output, {rows.columns(), chunks}));
  CHECK(files.size() <= 1);
  return files.empty() ? std::nullopt : std::optional(std::move(files.front()));
}

// Tables of which only the partition is read, by the files of the partition; others once for all.
// The former can also be told: in a WITH that the statement begins with.
Result<std::string> Computer::show_inputs(const std::shared_ptr<const Pinned>& pinned,
                                          const Partition& partition, Within within) {
  const bool is_shown = shown_ == pinned;
  if (!is_shown) pins_.clear();
  shown_ = nullptr;
  std::vector<std::string> told;
  for (const auto& name : job_.plan.views) {
    const auto& cut = pinned->table(name);
    const auto files = pinned->files_within(name, partition);
    if (is_shown && !files) continue;
    const auto rows = lake::scan_sql(tools_.cache, cut.root, *cut.snapshot, files, pins_);
    if (files && within == Within::Told) {
      told.push_back(fmt::format("{} AS NOT MATERIALIZED ({})", base::sql_name(name), rows));
    } else {
      TRY(show(name, rows));
    }
  }
  shown_ = pinned;
  return told.empty() ? std::string() : fmt::format("WITH {} ", base::join(told, ", "));
}

Result<void> Computer::show(const std::string& name, const std::string& select) {
  return connection_.run(
      fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}", base::sql_name(name), select));
}

// Everything that must hold before the partition is replaced.
Result<void> Computer::judge(const Partition& partition, const RunRow& row,
                             std::vector<CheckResult>& checks) {
  const auto& plan = job_.plan;
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
  return show(plan.job.name,
              lake::union_sql(
                  plan.schema,
                  {lake::scan_sql(job_.output.root(), *shown_->output->metadata, others), fresh}));
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
