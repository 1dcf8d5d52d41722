#include "batch/run_row.hpp"

#include "base/text.hpp"
#include "batch/row_values.hpp"

namespace millrace::batch {

std::string_view name_of(Trigger trigger) {
  if (trigger == Trigger::Schedule) return "schedule";
  return trigger == Trigger::Manual ? "manual" : "backfill";
}

std::string_view name_of(RunStatus status) {
  switch (status) {
    case RunStatus::Succeeded:
      return "succeeded";
    case RunStatus::Failed:
      return "failed";
    case RunStatus::Skipped:
      return "skipped";
    case RunStatus::Planned:
      return "planned";
  }
  return "failed";
}

const lake::Schema& run_columns() {
  static const lake::Schema kColumns{
      {"run_id", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"job", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"partition", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"status", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"attempt", sql::Type(DUCKDB_TYPE_INTEGER)},
      {"rows", sql::Type(DUCKDB_TYPE_BIGINT)},
      {"started_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)},
      {"ended_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)},
      {"duration_ms", sql::Type(DUCKDB_TYPE_BIGINT)},
      {"error", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"trigger", sql::Type(DUCKDB_TYPE_VARCHAR)},
  };
  return kColumns;
}

namespace {

std::vector<std::string> values_of(const RunRow& row) {
  const auto text = [](std::string_view value) { return base::sql_string(value); };
  const auto duration_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(row.duration).count();
  return {text(row.run_id),
          text(row.job),
          text(row.partition),
          text(name_of(row.status)),
          std::to_string(row.attempt),
          row.status == RunStatus::Succeeded ? std::to_string(row.rows) : "NULL",
          text(base::format_time(row.started_at)),
          text(base::format_time(row.ended_at)),
          std::to_string(duration_ms),
          row.error.empty() ? "NULL" : text(row.error),
          text(name_of(row.trigger))};
}

}  // namespace

std::string select_of(const std::vector<RunRow>& rows) {
  std::vector<std::vector<std::string>> values;
  for (const auto& row : rows) values.push_back(values_of(row));
  return select_values(run_columns(), values);
}

}  // namespace millrace::batch
