#include "batch/reports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "batch/job_sql.hpp"
#include "batch/run_row.hpp"
#include "config/time_zone.hpp"
#include "flow/alert_history.hpp"
#include "flow/reject.hpp"
#include "flow/row_sql.hpp"
#include "flow/table_plan.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::ColumnType;
using Kind = ColumnType::Kind;

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<sql::Value> integer_of(std::string_view text, int bits) {
  const auto number = number_of<std::int64_t>(text);
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  if (!number || (bits < 64 && (*number >= limit || *number < -limit))) return std::nullopt;
  return *number;
}

// A sign, digits, and at most as many after the point as the scale, before it as are left.
std::optional<sql::Value> decimal_of(std::string_view text, const ColumnType& type) {
  auto digits = text;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  const auto point = std::min(digits.find('.'), digits.size());
  const auto after = digits.substr(std::min(point + 1, digits.size()));
  const bool is_number = !digits.empty() && digits != "." &&
                         digits.find_first_not_of("0123456789.") == std::string_view::npos &&
                         after.find('.') == std::string_view::npos;
  const bool fits =
      point <= static_cast<std::size_t>(type.precision - type.scale) && after.size() <= type.scale;
  if (!is_number || !fits) return std::nullopt;
  return std::string(text);
}

std::optional<sql::Value> value_of(std::string_view text, const ColumnType& type) {
  switch (type.kind) {
    case Kind::TinyInt:
      return integer_of(text, 8);
    case Kind::SmallInt:
      return integer_of(text, 16);
    case Kind::Integer:
      return integer_of(text, 32);
    case Kind::BigInt:
      return integer_of(text, 64);
    case Kind::Float:
    case Kind::Double: {
      const auto number = number_of<double>(text);
      return number ? std::optional<sql::Value>(*number) : std::nullopt;
    }
    case Kind::Decimal:
      return decimal_of(text, type);
    case Kind::Boolean:
      if (text != "true" && text != "false") return std::nullopt;
      return text == "true";
    case Kind::Date: {
      const auto day = config::parse_day(text);
      if (!day) return std::nullopt;
      return sql::Date{static_cast<std::int32_t>(day->time_since_epoch().count())};
    }
    case Kind::TimestampTz: {
      const auto time = base::parse_time(text);
      return time ? std::optional<sql::Value>(*time) : std::nullopt;
    }
    default:
      return std::string(text);
  }
}

std::string_view example_of(Kind kind) {
  if (kind == Kind::Date) return ", like 2026-11-20";
  if (kind == Kind::TimestampTz) return ", like 2026-11-20T12:00:00Z";
  if (kind == Kind::Boolean) return ", true or false";
  return "";
}

Result<sql::Value> read_value(const config::Parameter& parameter, const std::string& text) {
  if (auto value = value_of(text, parameter.type)) return *value;
  return Error{Code::Invalid, fmt::format("parameter '{}': '{}' is not a {}{}", parameter.name,
                                          base::printable(text, 60), config::sql_of(parameter.type),
                                          example_of(parameter.type.kind))};
}

std::vector<std::string> names_of(const std::vector<config::Parameter>& parameters) {
  std::vector<std::string> names;
  for (const auto& parameter : parameters) names.push_back(parameter.name);
  return names;
}

Result<void> check_parameters(const config::Report& report, const sql::Statement& statement) {
  const auto declared = names_of(report.parameters);
  const auto used = statement.parameter_names();
  for (const auto& name : used) {
    if (std::ranges::find(declared, name) != declared.end()) continue;
    const auto at = report.sql.text.find("$" + name);
    return Error{Code::Invalid,
                 fmt::format("the SQL uses ${}, which `parameters` does not name{}", name,
                             base::did_you_mean(name, declared)),
                 report.sql.place_of(at == std::string::npos ? 0 : at).text()};
  }
  for (const auto& parameter : report.parameters) {
    if (std::ranges::find(used, parameter.name) == used.end()) {
      return Error{Code::Invalid,
                   fmt::format("the SQL does not use the parameter ${}", parameter.name),
                   report.place.text()};
    }
    if (!parameter.value) continue;
    const auto value = read_value(parameter, *parameter.value);
    if (!value) return Error{Code::Invalid, value.error().message, report.place.text()};
  }
  return {};
}

// With the parameters' types in their places the columns are known.
Result<void> check_chart(sql::Connection& connection, const config::Report& report) {
  if (!report.chart) return {};
  std::string text = report.sql.text;
  for (const auto& parameter : report.parameters) {
    text = with_parameter(text, parameter.name,
                          fmt::format("CAST(NULL AS {})", config::sql_of(parameter.type)));
  }
  auto statement = connection.prepare(text);
  if (!statement) {
    return Error{Code::Invalid, statement.error().message, report.sql.place.text()};
  }
  std::vector<std::string> columns;
  for (const auto& column : statement->columns()) columns.push_back(column.name);
  for (const auto& wanted : {report.chart->value, report.chart->by}) {
    const bool is_there = std::ranges::any_of(
        columns, [&](const auto& name) { return base::equal_ignoring_case(name, wanted); });
    if (is_there) continue;
    return Error{Code::Invalid,
                 fmt::format("chart: the SQL gives no column '{}'{}", wanted,
                             base::did_you_mean(wanted, columns)),
                 report.place.text()};
  }
  return {};
}

// A table that is nowhere is named by us: DuckDB would offer one of its own instead.
Error unprepared(const Error& error, const config::Report& report,
                 const std::vector<std::string>& names, const TableSchemas& known) {
  std::vector<std::string> all;
  for (const auto& [name, schema] : known) all.push_back(name);
  for (const auto& name : names) {
    const bool is_known = std::ranges::any_of(
        all, [&](const auto& other) { return base::equal_ignoring_case(name, other); });
    if (is_known || error.message.find("does not exist") == std::string::npos) continue;
    const auto message =
        fmt::format("there is no table '{}'{}", name, base::did_you_mean(name, all));
    return flow::placed({Code::Invalid, message}, report.sql);
  }
  return flow::placed(error, report.sql);
}

Result<void> check_report(sql::Connection& connection, const config::Report& report,
                          const std::vector<std::string>& names, const TableSchemas& known) {
  auto statement = connection.prepare(report.sql.text);
  if (!statement) return unprepared(statement.error(), report, names, known);
  if (statement->kind() != sql::StatementKind::Select) {
    return Error{Code::Invalid, "a report is one SELECT", report.sql.place.text()};
  }
  TRY(check_parameters(report, *statement));
  return check_chart(connection, report);
}

}  // namespace

Result<std::map<std::string, sql::Value>> bind_parameters(
    const config::Report& report, const std::map<std::string, std::string>& given) {
  const auto names = names_of(report.parameters);
  for (const auto& [name, text] : given) {
    if (std::ranges::find(names, name) != names.end()) continue;
    return Error{
        Code::Invalid,
        fmt::format("report '{}' has no parameter '{}'{}", report.name, base::printable(name, 60),
                    names.empty() ? "; it takes none" : base::did_you_mean(name, names))};
  }
  std::map<std::string, sql::Value> values;
  for (const auto& parameter : report.parameters) {
    const auto text = given.find(parameter.name);
    if (text == given.end() && !parameter.value) {
      return Error{
          Code::Invalid,
          fmt::format("report '{}' needs the parameter '{}' ({}{})", report.name, parameter.name,
                      config::sql_of(parameter.type), example_of(parameter.type.kind))};
    }
    values[parameter.name] =
        TRY(read_value(parameter, text == given.end() ? *parameter.value : text->second));
  }
  return values;
}

Result<ReportReads> reads_of(const config::Report& report, const flow::Cut& cut,
                             sql::Connection& connection) {
  auto read = TRY(flow::reads_of(connection, report.sql.text, cut));
  ReportReads reads{.tables = std::move(read.tables)};
  const auto varying = TRY(flow::varying_functions(connection));
  reads.is_steady = TRY(depends_on_tables_alone(connection, report.sql.text, varying));
  const bool has_slice = reads.is_steady && reads.tables.size() == 1 && !read.slices.empty();
  if (has_slice) reads.slice = std::move(read.slices.front());
  return reads;
}

std::vector<Error> check_reports(const config::Pipeline& pipeline, const TableSchemas& tables,
                                 sql::Instance& engine, const config::Gaps& gaps) {
  auto connection = engine.connect();
  if (!connection) return {connection.error()};
  std::vector<Error> errors;
  auto known = tables;
  known.emplace("_rejects", flow::reject_columns());
  if (!pipeline.alerts.empty()) known.emplace(flow::kAlertsTable, flow::alert_columns());
  known.emplace("_runs", run_columns());
  for (const auto& [name, schema] : known) {
    if (auto shown = show_columns(*connection, name, schema); !shown) {
      errors.push_back(shown.error());
    }
  }
  for (const auto& report : pipeline.reports) {
    const auto names = connection->table_names(report.sql.text).value_or({});
    if (reads_gap(names, known, gaps)) continue;
    if (auto checked = check_report(*connection, report, names, known); !checked) {
      errors.push_back(checked.error());
    }
  }
  return errors;
}

}  // namespace millrace::batch
