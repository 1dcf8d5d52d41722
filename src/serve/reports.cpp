#include "serve/reports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"
#include "batch/reports.hpp"
#include "serve/answer.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr Bounds kRows{0, 1'000'000'000'000};

Json report_json(const config::Report& report) {
  Json parameters = Json::array();
  for (const auto& parameter : report.parameters) {
    parameters.push_back({{"name", parameter.name},
                          {"type", config::sql_of(parameter.type)},
                          {"default", parameter.value ? Json(*parameter.value) : Json(nullptr)}});
  }
  Json out{{"name", report.name}, {"parameters", std::move(parameters)}, {"chart", nullptr}};
  if (report.chart) {
    const bool is_bar = report.chart->kind == config::Chart::Kind::Bar;
    out["chart"] = {{is_bar ? "bar" : "line", report.chart->value}, {"by", report.chart->by}};
  }
  return out;
}

Result<const config::Report*> report_of(const config::Pipeline& pipeline, const std::string& name) {
  if (const auto* report = pipeline.report(name)) return report;
  std::vector<std::string> names;
  for (const auto& report : pipeline.reports) names.push_back(report.name);
  return Error{Code::NotFound, fmt::format("no report is named '{}'{}", base::printable(name),
                                           base::did_you_mean(name, names))};
}

// The report and the values of its parameters, as texts: their lengths keep them apart.
std::string key_of(const config::Report& report, const std::map<std::string, std::string>& given) {
  std::string key = report.name;
  for (const auto& parameter : report.parameters) {
    const auto found = given.find(parameter.name);
    const auto& value = found == given.end() ? parameter.value.value_or("") : found->second;
    key += fmt::format(" {}:{}", value.size(), value);
  }
  return key;
}

}  // namespace

void Reports::add_to(Routes& routes, const Pools& pools) {
  routes.get("/v1/reports", pools.quick, [this](const auto& request) { return list(request); });
  routes.get_handler("/v1/reports/{report}", [this](const auto& exchange) {
    const auto& name = exchange->request().path_parameter("report");
    const auto report = report_of(parts_.pipeline, name);
    if (!report) return exchange->answer(error_answer(report.error()));
    auto asked = question_of(*report.value(), exchange->request());
    if (!asked) return queries_.answer(exchange, asked.error());
    answers_.answer(exchange, std::move(*asked));
  });
}

Result<http::Response> Reports::list(const http::Request& request) const {
  TRY(check_query(request, {}));
  Json reports = Json::array();
  for (const auto& report : parts_.pipeline.reports) reports.push_back(report_json(report));
  return json_answer({{"reports", std::move(reports)}});
}

// A report's own parameters come first: one that is named `format` hides ours.
Result<ReportQuestion> Reports::question_of(const config::Report& report,
                                            const http::Request& request) const {
  const auto is_own = [&](const std::string& name) {
    return std::ranges::find(report.parameters, name, &config::Parameter::name) !=
           report.parameters.end();
  };
  std::vector<std::string> known;
  for (const auto& parameter : report.parameters) known.push_back(parameter.name);
  for (const std::string name : {"format", "rows_max", "timeout"}) {
    if (!is_own(name)) known.push_back(name);
  }
  TRY(check_query(request, known));
  std::map<std::string, std::string> given;
  for (const auto& [name, value] : request.query) {
    if (is_own(name)) given.emplace(name, value);
  }
  Question question{.sql = report.sql.text, .chart = report.chart};
  question.parameters = TRY(batch::bind_parameters(report, given));
  if (const auto rows = TRY(query_integer(request, "rows_max", kRows));
      rows && !is_own("rows_max")) {
    question.rows_max = static_cast<std::size_t>(*rows);
  }
  std::optional<std::chrono::microseconds> timeout;
  if (const auto text = query_text(request, "timeout"); text && !is_own("timeout")) {
    timeout = TRY(base::parse_duration(*text).context("'timeout'"));
  }
  question.timeout = TRY(queries_.timeout_of(timeout));
  const auto format = is_own("format") ? std::nullopt : query_text(request, "format");
  question.format = TRY(answer_format(request, format));
  return ReportQuestion{&report, key_of(report, given), std::move(question)};
}

}  // namespace millrace::serve
