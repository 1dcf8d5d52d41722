// The dashboard: what comes in, how late it is, what is wrong, jobs.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "deploy/names.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

constexpr int kWidth = 12;
constexpr int kHeight = 6;

/// Graphs, two in a row. Their text is put together by hand of what `Fn::Sub` fills in.
class Board {
 public:
  explicit Board(const Site& site) : site_(site) {}

  void add(const std::string& title, Json metrics, const std::string& statistic) {
    const auto at = static_cast<int>(widgets_.size());
    widgets_.push_back({{"type", "metric"},
                        {"x", at % 2 * kWidth},
                        {"y", at / 2 * kHeight},
                        {"width", kWidth},
                        {"height", kHeight},
                        {"properties",
                         {{"title", title},
                          {"view", "timeSeries"},
                          {"region", "${AWS::Region}"},
                          {"stat", statistic},
                          {"period", 60},
                          {"metrics", std::move(metrics)}}}});
  }

  /// Each that there is of a metric of the program, whatever labels it has.
  void add_own(const std::string& title, const std::vector<std::string>& names,
               const std::string& statistic) {
    Json metrics = Json::array();
    const auto what = site_.metrics();
    std::string claims;
    for (const auto& [name, value] : what.dimensions) {
      claims += fmt::format(" {}=\"{}\"", name, value);
    }
    for (const auto& name : names) {
      // Without a schema: every set of dimensions.
      metrics.push_back(Json::array(
          {{{"expression", fmt::format("SEARCH('Namespace=\"{}\" MetricName=\"{}\"{}', '{}', 60)",
                                       what.name_space, name, claims, statistic)}}}));
    }
    add(title, std::move(metrics), statistic);
  }

  std::string text() const {
    const Json board{{"widgets", widgets_}};
    return board.dump();
  }

 private:
  const Site& site_;
  Json widgets_ = Json::array();
};

void add_streams(Board& board, const Site& site) {
  for (const auto& thing : site.things) {
    if (thing.part != Part::Stream || thing.name.starts_with("arn:")) continue;
    board.add(
        "Records into " + thing.of,
        Json::array({Json::array({"AWS/Kinesis", "IncomingRecords", "StreamName", thing.name}),
                     Json::array({"AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName",
                                  thing.name})}),
        "Sum");
  }
}

void add_functions(Board& board, const Site& site) {
  const auto stream = site.prefix + "-stream";
  const auto jobs = site.prefix + "-jobs";
  const auto of = [](const char* metric, const std::string& name) {
    return Json::array({"AWS/Lambda", metric, "FunctionName", name});
  };
  board.add("How old records are when they are read, ms", Json::array({of("IteratorAge", stream)}),
            "Maximum");
  Json bad = Json::array({of("Errors", stream), of("Throttles", stream)});
  Json took = Json::array({of("Duration", stream)});
  if (site.has_jobs_function()) {
    bad.push_back(of("Errors", jobs));
    took.push_back(of("Duration", jobs));
  }
  board.add("Errors and throttles", std::move(bad), "Sum");
  board.add("How long invocations take, ms", std::move(took), "p99");
}

}  // namespace

void put_dashboard(Json& root, const Site& site) {
  Board board(site);
  add_streams(board, site);
  if (site.is_lambda()) add_functions(board, site);
  board.add_own("Rows and rejects", {"millrace_table_rows_total", "millrace_table_rejects_total"},
                "Sum");
  board.add_own("Latency, s",
                {site.is_lambda() ? "millrace_lambda_age_seconds" : "millrace_micro_batch_seconds"},
                "p99");
  board.add_own("Commits, s", {"millrace_commit_seconds"}, "p99");
  if (!site.pipeline.jobs.empty()) {
    board.add_own("Runs of jobs", {"millrace_job_runs_total", "millrace_job_retries_total"}, "Sum");
  }
  if (!site.pipeline.alerts.empty()) {
    board.add_own("Alerts", {"millrace_alerts_total"}, "Sum");
  }
  put_resource(root, "Dashboard", "AWS::CloudWatch::Dashboard",
               {{"DashboardName", site.prefix}, {"DashboardBody", {{"Fn::Sub", board.text()}}}});
  put_output(root, "DashboardUrl", "The dashboard",
             {{"Fn::Sub",
               "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home#dashboards/"
               "dashboard/" +
                   site.prefix}});
}

}  // namespace millrace::deploy
