// Alarms and the dashboard: AWS's own metrics, and those that the program writes.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "deploy/names.hpp"
#include "deploy/schedule.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

constexpr int kMinute = 60;
constexpr std::int64_t kLagSecondsMax = 60;
constexpr double kLatencySecondsMax = 1.0;
// Lambda asks a shard once a second.
constexpr double kLambdaLatencySecondsMax = 2.0;
// A job waits for the last records of its day, and for its turn.
constexpr std::chrono::hours kJobGrace{3};

using Dimensions = std::vector<std::pair<std::string, Json>>;

Json list_of(const Dimensions& dimensions) {
  Json list = Json::array();
  for (const auto& [name, value] : dimensions) list.push_back({{"Name", name}, {"Value", value}});
  return list;
}

struct Metric {
  std::string name_space;
  std::string name;
  Dimensions dimensions;
  std::string statistic;
  int period = kMinute;
};

struct Limit {
  std::string id;    ///< of the alarm
  std::string name;  ///< its end
  std::string what;
  double above = 0;
  int periods = 5;  ///< looked at
  int bad = 3;      ///< of which so many are above
  bool is_below = false;
  std::string missing = "notBreaching";
};

Json alarm_of(const Site& site, const Limit& limit) {
  return {{"AlarmName", fmt::format("{}-{}", site.prefix, limit.name)},
          {"AlarmDescription", limit.what},
          {"ComparisonOperator", limit.is_below ? "LessThanThreshold" : "GreaterThanThreshold"},
          {"Threshold", limit.above},
          {"EvaluationPeriods", limit.periods},
          {"DatapointsToAlarm", limit.bad},
          {"TreatMissingData", limit.missing},
          {"AlarmActions", Json::array({ref_to("Alarms")})},
          {"OKActions", Json::array({ref_to("Alarms")})},
          {"Tags", tag_list(site.tags)}};
}

void put_alarm(Json& root, const Site& site, const Limit& limit, const Metric& metric) {
  auto alarm = alarm_of(site, limit);
  alarm["Namespace"] = metric.name_space;
  alarm["MetricName"] = metric.name;
  alarm["Dimensions"] = list_of(metric.dimensions);
  alarm["Period"] = metric.period;
  alarm[metric.statistic.starts_with('p') ? "ExtendedStatistic" : "Statistic"] = metric.statistic;
  put_resource(root, limit.id + "Alarm", "AWS::CloudWatch::Alarm", std::move(alarm));
}

void put_expression(Json& root, const Site& site, const Limit& limit, Json metrics) {
  auto alarm = alarm_of(site, limit);
  alarm["Metrics"] = std::move(metrics);
  put_resource(root, limit.id + "Alarm", "AWS::CloudWatch::Alarm", std::move(alarm));
}

/// Of what the program writes, those dimensions and one label.
Dimensions own(const Site& site, const std::string& label = "", const std::string& value = "") {
  const auto metrics = site.metrics();
  Dimensions dimensions;
  auto all = metrics.dimensions;
  if (!label.empty() && metrics.labels.contains(label)) all.emplace(label, value);
  for (const auto& [name, text] : all) dimensions.emplace_back(name, text);
  return dimensions;
}

bool writes_metrics(const Site& site) {
  const auto& metrics = site.pipeline.metrics;
  return site.is_lambda() || metrics.cloudwatch || metrics.embedded;
}

/// A sum over whatever other labels there are.
std::string sum_query(const Site& site, const std::string& name) {
  const auto metrics = site.metrics();
  std::vector<std::string> claims;
  for (const auto& [dimension, value] : metrics.dimensions) {
    claims.push_back(fmt::format("\"{}\" = '{}'", dimension, value));
  }
  return fmt::format("SELECT SUM({}) FROM \"{}\"{}", name, metrics.name_space,
                     claims.empty() ? "" : " WHERE " + base::join(claims, " AND "));
}

void put_sum_alarm(Json& root, const Site& site, const Limit& limit, const std::string& metric) {
  put_expression(root, site, limit,
                 Json::array({{{"Id", "total"},
                               {"Expression", sum_query(site, metric)},
                               {"Period", 5 * kMinute},
                               {"ReturnData", true}}}));
}

std::string function_name(const Site& site, const char* end) {
  return fmt::format("{}-{}", site.prefix, end);
}

void put_function_alarms(Json& root, const Site& site) {
  const auto stream = function_name(site, "stream");
  const auto of = [](const std::string& name) { return Dimensions{{"FunctionName", name}}; };
  put_alarm(root, site,
            {"Lag", "lag", "Records wait in a stream for more than a minute",
             static_cast<double>(kLagSecondsMax * 1000)},
            {"AWS/Lambda", "IteratorAge", of(stream), "Maximum"});
  put_alarm(root, site,
            {"Errors", "errors", "Invocations for the stream fail: what they had comes again"},
            {"AWS/Lambda", "Errors", of(stream), "Sum"});
  put_alarm(root, site, {"Throttles", "throttles", "Lambda has no invocation left for the stream"},
            {"AWS/Lambda", "Throttles", of(stream), "Sum"});
  if (!site.has_jobs_function()) return;
  const auto jobs = function_name(site, "jobs");
  put_alarm(root, site, {"JobsErrors", "jobs-errors", "Jobs, loads or maintenance fail", 0, 1, 1},
            {"AWS/Lambda", "Errors", of(jobs), "Sum", 5 * kMinute});
  put_alarm(
      root, site,
      {"JobsDropped", "jobs-dropped", "Calls for jobs or maintenance waited too long", 0, 1, 1},
      {"AWS/Lambda", "AsyncEventsDropped", of(jobs), "Sum", 5 * kMinute});
  if (site.pipeline.jobs.empty() && site.pipeline.alerts.empty()) return;
  put_alarm(root, site,
            {"JobsNotCalled", "jobs-not-called", "Nobody has looked for due jobs for an hour", 1, 1,
             1, true, "breaching"},
            {"AWS/Lambda", "Invocations", of(jobs), "Sum", 60 * kMinute});
}

void put_stream_alarms(Json& root, const Site& site) {
  for (const auto& thing : site.things) {
    if (thing.part != Part::Stream || !thing.is_made()) continue;
    put_alarm(root, site,
              {id_of(thing.of) + "Full", thing.of + "-full",
               fmt::format("Senders to {} are throttled: it needs more shards", thing.of)},
              {"AWS/Kinesis",
               "WriteProvisionedThroughputExceeded",
               {{"StreamName", ref_to(thing.id)}},
               "Sum"});
  }
}

/// The age of a job's last success, in seconds: the metric is its time.
void put_job_alarm(Json& root, const Site& site, const config::Job& job) {
  const auto allowed = longest_pause(*job.at) + kJobGrace;
  // Without the label all jobs are one metric: the one that is latest counts.
  const char* statistic = site.metrics().labels.contains("job_name") ? "Maximum" : "Minimum";
  const Json metric{{"Namespace", site.metrics().name_space},
                    {"MetricName", "millrace_job_last_success_timestamp_seconds"},
                    {"Dimensions", list_of(own(site, "job_name", job.name))}};
  Json last{{"Id", "last"}, {"ReturnData", false}};
  last["MetricStat"] = {{"Metric", metric}, {"Period", 15 * kMinute}, {"Stat", statistic}};
  const Json age{{"Id", "age"},
                 {"Expression", "EPOCH(last) - last"},
                 {"Label", "seconds since the last success"},
                 {"ReturnData", true}};
  put_expression(root, site,
                 {id_of(job.name) + "Missed", job.name + "-missed",
                  fmt::format("Job {} has not succeeded for longer than its schedule", job.name),
                  static_cast<double>(allowed.count()), 2, 2},
                 Json::array({last, age}));
}

void put_program_alarms(Json& root, const Site& site) {
  const auto name_space = site.metrics().name_space;
  put_sum_alarm(root, site,
                {"Rejects", "rejects", "Records are rejected: millrace rejects list", 0, 1, 1},
                "millrace_table_rejects_total");
  put_sum_alarm(root, site, {"Commits", "commits", "Rows cannot be brought into the lake", 0, 3, 2},
                "millrace_commit_failures_total");
  for (const auto& source : site.pipeline.sources) {
    const auto id = id_of(source.name);
    if (site.is_lambda()) {
      put_alarm(
          root, site,
          {id + "Late", source.name + "-late",
           fmt::format("1 in 100 records of {} is committed later than it should be", source.name),
           kLambdaLatencySecondsMax + site.options.window_seconds},
          {name_space, "millrace_lambda_age_seconds", own(site, "source", source.name), "p99"});
      continue;
    }
    put_alarm(root, site,
              {id + "Behind", source.name + "-behind",
               fmt::format("{} is read more than a minute late", source.name),
               static_cast<double>(kLagSecondsMax)},
              {name_space, "millrace_source_behind_seconds", own(site, "source", source.name),
               "Maximum"});
    put_alarm(
        root, site,
        {id + "Late", source.name + "-late", fmt::format("Rows of {} are seen late", source.name),
         kLatencySecondsMax},
        {name_space, "millrace_micro_batch_seconds", own(site, "source", source.name), "p99"});
  }
  for (const auto& job : site.pipeline.jobs) {
    if (job.at) put_job_alarm(root, site, job);
  }
}

}  // namespace

void put_alarms(Json& root, const Site& site) {
  if (site.is_lambda()) put_function_alarms(root, site);
  put_stream_alarms(root, site);
  if (writes_metrics(site)) put_program_alarms(root, site);
  if (!site.is_lambda()) {
    put_alarm(root, site, {"Down", "down", "The task does not run", 1, 5, 5, true, "breaching"},
              {"AWS/ECS",
               "CPUUtilization",
               {{"ClusterName", site.prefix}, {"ServiceName", site.prefix + "-worker"}},
               "SampleCount"});
  }
}

}  // namespace millrace::deploy
