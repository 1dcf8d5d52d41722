#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/commands.hpp"
#include "app/companion.hpp"
#include "app/result_table.hpp"
#include "base/text.hpp"
#include "http/url.hpp"
#include "os/process.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::size_t kSqlBytesMax = 1 << 20;

Result<std::string> sql_of(const std::string& given) {
  if (given != "-") return given;
  std::string sql;
  std::array<char, 4096> piece{};
  while (const auto count = std::fread(piece.data(), 1, piece.size(), stdin)) {
    sql.append(piece.data(), count);
    if (sql.size() > kSqlBytesMax) return Error{Code::Invalid, "the SQL is larger than 1 MiB"};
  }
  if (base::trimmed(sql).empty()) return Error{Code::Invalid, "no SQL came on standard input"};
  return sql;
}

Result<http::Parameters> pairs_of(const std::vector<std::string>& given) {
  http::Parameters pairs;
  for (const auto& text : given) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{Code::Invalid,
                   fmt::format("'{}' is no parameter: write name=value", base::printable(text))};
    }
    pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return pairs;
}

// An error at `byte N` of `sql`: the line it is in and a caret below it.
Error with_caret(Error error, const std::string& sql) {
  constexpr std::string_view kByte = "byte ";
  if (!error.place.starts_with(kByte)) return error;
  const auto at = std::min<std::size_t>(
      std::strtoull(error.place.c_str() + kByte.size(), nullptr, 10), sql.size());
  const auto before = at == 0 ? std::string::npos : sql.rfind('\n', at - 1);
  const auto start = before == std::string::npos ? 0 : before + 1;
  const auto end = std::min(sql.find('\n', at), sql.size());
  error.message += fmt::format("\n  {}\n  {}^", base::printable(sql.substr(start, end - start)),
                               std::string(at - start, ' '));
  error.place.clear();
  return error;
}

// By a header: a report may have a parameter of its own that is named `format`.
http::Request accepting(http::Request request, Output output) {
  request.headers.set("Accept", output == Output::Csv ? "text/csv" : "application/json");
  return request;
}

// CSV and JSON pass through as they come; a table is drawn.
Result<Exit> show(Companion& companion, const http::Request& request, Output output,
                  Screen& screen) {
  if (output != Output::Table) {
    char last = '\n';
    TRY(companion.stream(request, [&](std::string_view piece) -> Result<void> {
      screen.print(piece);
      if (!piece.empty()) last = piece.back();
      if (!screen.is_good()) return Error{Code::Cancelled, "the output was closed"};
      return {};
    }));
    if (last != '\n') screen.line("");
    return Exit::Fine;
  }
  const auto body = TRY(companion.send(request));
  const auto table = TRY(parse_result_table(body));
  screen.print(text_of(table, screen.paint(), screen.columns()));
  const auto chart = chart_text(table, screen.paint(), screen.columns());
  if (!chart.empty()) screen.print("\n" + chart);
  return Exit::Fine;
}

Result<Exit> list_reports(Companion& companion, Output output, Screen& screen) {
  const auto body = TRY(companion.send(get("/v1/reports")));
  if (output == Output::Json) {
    screen.print(body);
    return Exit::Fine;
  }
  const auto answer = TRY(parse_answer(body));
  TextTable table({{"report"}, {"parameters"}, {"chart"}});
  for (const auto& report : items_of(answer, "reports")) {
    std::vector<std::string> parameters;
    for (const auto& parameter : items_of(report, "parameters")) {
      const auto fallback = cell(parameter, "default");
      parameters.push_back(fmt::format("{} {}{}", cell(parameter, "name").value_or("?"),
                                       cell(parameter, "type").value_or(""),
                                       fallback ? " = " + *fallback : ""));
    }
    const auto chart = report.find("chart");
    const bool has_chart = chart != report.end() && chart->is_object() && !chart->empty();
    table.add({cell(report, "name"), base::join(parameters, ", "),
               has_chart ? chart->begin().key() : ""});
  }
  screen.print(table.text(screen.paint(), screen.columns()));
  return Exit::Fine;
}

}  // namespace

Exit query_tables(const QueryOptions& options, Screen& screen) {
  const auto sql = sql_of(options.sql);
  if (!sql) return fail(screen, sql.error());
  const auto parameters = pairs_of(options.parameters);
  if (!parameters) return fail(screen, parameters.error());
  Json body{{"sql", *sql}, {"rows_max", options.rows_max}, {"timeout", options.timeout}};
  for (const auto& [name, value] : *parameters) body["parameters"][name] = value;
  auto request =
      accepting(post("/v1/query", body.dump(-1, ' ', false, Json::error_handler_t::replace)),
                options.data.output);
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    auto shown = show(companion, request, options.data.output, screen);
    if (!shown) return with_caret(shown.error(), *sql);
    return shown;
  });
}

Exit show_report(const ReportOptions& options, Screen& screen) {
  auto query = pairs_of(options.parameters);
  if (!query) return fail(screen, query.error());
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    if (options.report.empty()) return list_reports(companion, options.data.output, screen);
    const auto path = "/v1/reports/" + http::percent_encode(options.report);
    return show(companion, accepting(get(path, *query), options.data.output), options.data.output,
                screen);
  });
}

}  // namespace millrace::app
