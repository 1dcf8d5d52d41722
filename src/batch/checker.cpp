#include "batch/checker.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "base/text.hpp"
#include "base/units.hpp"
#include "batch/job_sql.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::ResultCheck;
using Kind = ResultCheck::Kind;

// With fewer values before it nothing can be said about drift.
constexpr std::size_t kDriftValuesMin = 3;
constexpr std::size_t kSampleBytesMax = 300;

/// What an expectation found.
struct Found {
  std::optional<double> value;
  std::string detail;  // empty: it holds
};

class Checker {
 public:
  Checker(const NewPartition& fresh, sql::Connection& connection, ChecksTable& history)
      : fresh_(fresh), connection_(connection), history_(history) {}

  Result<Found> judge(const ResultCheck& expected) {
    switch (expected.kind) {
      case Kind::NoRows:
        return no_rows(bound(without_semicolon(expected.sql.text)));
      case Kind::Rows:
        return rows(expected);
      case Kind::Unique:
        return unique(expected);
      case Kind::References:
        return references(expected);
      case Kind::Fresh:
        return is_fresh(expected);
      case Kind::Drift:
        return drift(expected);
    }
    return Found();
  }

 private:
  std::string bound(std::string_view sql) const {
    const auto& each = fresh_.plan.job.each_column;
    if (each.empty()) return std::string(sql);
    return with_parameter(sql, each, literal_of(fresh_.partition));
  }

  Result<std::int64_t> count(const std::string& select) {
    const auto text = TRY(connection_.scalar(fmt::format("SELECT count(*) FROM ({}\n)", select)));
    return std::stoll(text.value_or("0"));
  }

  // The rows of `select` are those that are wrong.
  Result<Found> no_rows(const std::string& select) {
    Found found;
    const auto wrong = TRY(count(select));
    found.value = static_cast<double>(wrong);
    if (wrong == 0) return found;
    const auto first = TRY(connection_.scalar(
        fmt::format("SELECT CAST(one AS VARCHAR) FROM ({}\n) AS one LIMIT 1", select)));
    found.detail = fmt::format("{} rows, the first: {}", wrong,
                               base::printable(first.value_or("NULL"), kSampleBytesMax));
    return found;
  }

  Result<Found> rows(const ResultCheck& expected) {
    Found found;
    const auto there = TRY(count("FROM " + fresh_.result));
    found.value = static_cast<double>(there);
    if (there < expected.rows_min) {
      found.detail = fmt::format("{} rows, fewer than {}", there, expected.rows_min);
    }
    if (expected.rows_max && there > *expected.rows_max) {
      found.detail = fmt::format("{} rows, more than {}", there, *expected.rows_max);
    }
    return found;
  }

  Result<Found> unique(const ResultCheck& expected) {
    std::vector<std::string> names;
    for (const auto& column : expected.columns) names.push_back(base::sql_name(column));
    const auto key = base::join(names, ", ");
    return no_rows(
        fmt::format("SELECT {0}, count(*) AS rows FROM {1} GROUP BY {0} HAVING count(*) "
                    "> 1 ORDER BY {0}",
                    key, fresh_.result));
  }

  Result<Found> references(const ResultCheck& expected) {
    return no_rows(
        fmt::format("SELECT DISTINCT {0} FROM {1} AS r WHERE {0} IS NOT NULL AND NOT "
                    "EXISTS (SELECT 1 FROM {2} AS t WHERE t.{3} = r.{0}) ORDER BY {0}",
                    base::sql_name(expected.columns.front()), fresh_.result,
                    base::sql_name(expected.table), base::sql_name(expected.key)));
  }

  Result<Found> is_fresh(const ResultCheck& expected) {
    const auto& partition = fresh_.partition;
    const bool is_over = partition.each != config::Each::None && partition.end < fresh_.run.at;
    const auto until = is_over ? partition.end : fresh_.run.at;
    const auto age = TRY(connection_.scalar(fmt::format(
        "SELECT epoch(TIMESTAMPTZ '{}') - epoch(max({})) FROM {}", base::format_time(until),
        base::sql_name(expected.columns.front()), fresh_.result)));
    if (!age) return Found{.value = {}, .detail = "there is no value"};
    Found found{.value = std::stod(*age), .detail = ""};
    const auto within = std::chrono::duration<double>(expected.within);
    if (*found.value <= within.count()) return found;
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::seconds(static_cast<std::int64_t>(*found.value)));
    found.detail =
        fmt::format("the newest value is {} old, more than {}", base::format_duration(micros),
                    base::format_duration(expected.within));
    return found;
  }

  Result<Found> drift(const ResultCheck& expected) {
    const auto text = TRY(connection_.scalar(fmt::format("SELECT CAST(({}\n) AS DOUBLE) FROM {}",
                                                         bound(expected.sql.text), fresh_.result)));
    if (!text) return Found{.value = {}, .detail = "the value is NULL"};
    Found found{.value = std::stod(*text), .detail = ""};
    const auto before = TRY(history_.values_before(fresh_.run, expected.name, expected.runs));
    if (before.size() < kDriftValuesMin) return found;
    const auto mean =
        std::accumulate(before.begin(), before.end(), 0.0) / static_cast<double>(before.size());
    if (std::abs(*found.value - mean) <= std::abs(mean) * expected.ratio) return found;
    found.detail = fmt::format("{} is farther than {}% from {}, the mean of {} runs before",
                               *found.value, expected.ratio * 100, mean, before.size());
    return found;
  }

  const NewPartition& fresh_;
  sql::Connection& connection_;
  ChecksTable& history_;
};

}  // namespace

Result<std::vector<CheckResult>> check(const NewPartition& fresh, sql::Connection& connection,
                                       ChecksTable& history) {
  Checker checker(fresh, connection, history);
  std::vector<CheckResult> results;
  for (const auto& expected : fresh.plan.job.expectations) {
    auto found = checker.judge(expected);
    if (!found) {
      const auto& error = found.error();
      if (error.code != Code::Invalid) return error;
      return Error{Code::Invalid, fmt::format("expect {}: {}", expected.name, error.message),
                   expected.place.text()};
    }
    auto& result = results.emplace_back();
    result.check = expected.name;
    result.kind = name_of(expected.kind);
    result.value = found->value;
    result.detail = std::move(found->detail);
    if (result.detail.empty()) continue;
    result.outcome = expected.is_warning ? CheckOutcome::Warned : CheckOutcome::Failed;
  }
  return results;
}

}  // namespace millrace::batch
