#include "batch/checks_table.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/row_values.hpp"
#include "lake/data_file.hpp"
#include "lake/rewrite.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;

const lake::Schema& check_columns() {
  static const lake::Schema kColumns{
      {"run_id", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"job", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"partition", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"check", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"kind", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"outcome", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"value", sql::Type(DUCKDB_TYPE_DOUBLE)},
      {"detail", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"checked_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)},
  };
  return kColumns;
}

std::vector<std::string> values_of(const CheckedRun& run, const CheckResult& result) {
  const auto text = [](std::string_view value) { return base::sql_string(value); };
  return {text(run.run_id),
          text(run.job),
          text(run.partition),
          text(result.check),
          text(result.kind),
          text(name_of(result.outcome)),
          result.value ? fmt::format("'{}'", *result.value) : "NULL",
          result.detail.empty() ? "NULL" : text(result.detail),
          text(base::format_time(run.at))};
}

}  // namespace

std::string_view name_of(CheckOutcome outcome) {
  if (outcome == CheckOutcome::Passed) return "passed";
  return outcome == CheckOutcome::Warned ? "warned" : "failed";
}

Result<std::unique_ptr<ChecksTable>> ChecksTable::open(const os::Path& root,
                                                       const lake::Tools& tools,
                                                       std::size_t files_max) {
  auto table = TRY(lake::Table::open_or_create(root, check_columns(), {}, tools));
  return std::unique_ptr<ChecksTable>(new ChecksTable(std::move(table), files_max));
}

Result<void> ChecksTable::add(const std::vector<Checked>& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [run, results] : runs) {
    for (const auto& result : results) rows.push_back(values_of(run, result));
  }
  if (rows.empty()) return {};
  auto connection = TRY(table_->tools().engine.connect());
  auto file =
      TRY(lake::write_data_file(connection, *table_, select_values(check_columns(), rows), {}));
  CHECK(file);
  const lake::Transaction change{.operation = "WRITE", .adds = {*file}};
  const auto outcome = TRY(table_->commit(change));
  if (const auto* conflict = std::get_if<lake::Conflict>(&outcome)) {
    return Error{Code::Unavailable, conflict->detail, table_->root().string()};
  }
  // Neither is needed for what was just written; both come again with the next run.
  const auto snapshot = table_->snapshot();
  (void)table_->maintain(snapshot->version).has_value();
  if (snapshot->files.size() > files_max_) (void)lake::compact(*table_).has_value();
  return {};
}

Result<std::vector<double>> ChecksTable::values_before(const CheckedRun& run,
                                                       const std::string& check, int count) {
  auto connection = TRY(table_->tools().engine.connect());
  auto rows = TRY(connection.query(fmt::format(
      "SELECT value FROM ({}) WHERE job = {} AND \"check\" = {} AND \"partition\" <> {} QUALIFY "
      "row_number() OVER (PARTITION BY \"partition\" ORDER BY checked_at DESC) = 1 AND outcome <> "
      "'failed' AND value IS NOT NULL ORDER BY \"partition\" DESC LIMIT {}",
      lake::scan_sql(table_->root(), *table_->snapshot()), base::sql_string(run.job),
      base::sql_string(check), base::sql_string(run.partition), count)));
  std::vector<double> values;
  while (const auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      values.push_back(chunk->column(0).data<double>()[row]);
    }
  }
  return values;
}

Result<std::map<std::string, std::string>> ChecksTable::failed_last(const std::string& job,
                                                                    const std::string& check) {
  auto connection = TRY(table_->tools().engine.connect());
  auto rows = TRY(connection.query(fmt::format(
      "SELECT \"partition\", coalesce(detail, '') FROM ({}) WHERE job = {} AND \"check\" = {} AND "
      "outcome "
      "<> 'warned' QUALIFY row_number() OVER (PARTITION BY \"partition\" ORDER BY "
      "checked_at DESC) = 1 AND outcome = 'failed'",
      lake::scan_sql(table_->root(), *table_->snapshot()), base::sql_string(job),
      base::sql_string(check))));
  std::map<std::string, std::string> failed;
  while (const auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      failed.emplace(chunk->column(0).text(row), chunk->column(1).text(row));
    }
  }
  return failed;
}

}  // namespace millrace::batch
