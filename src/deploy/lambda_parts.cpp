// The functions, what calls them, and when.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/time_zone.hpp"
#include "deploy/names.hpp"
#include "deploy/schedule.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

constexpr int kLogDays = 30;
constexpr int kStreamSeconds = 300;
constexpr int kJobsSeconds = 900;  // Lambda's limit
constexpr int kStreamDiskMib = 1024;
constexpr int kJobsDiskMib = 8192;  // jobs and compaction spill
constexpr int kBatchRecords = 10'000;
// Runs of Glue are followed, retries made and what was missed caught up, so often; alerts are sent
// by the same call.
constexpr const char* kCatchUp = "rate(15 minutes)";
constexpr const char* kCatchUpWithAlerts = "rate(1 minute)";
// A call waits for the one before, which may take 15 minutes.
constexpr int kCallSecondsMax = 3600;

struct FunctionPlan {
  std::string id;    ///< of the resource
  std::string name;  ///< its end
  int seconds = 0;
  int memory_mib = 0;
  int disk_mib = 0;
  bool is_alone = false;  ///< never two at once
};

Json code_of(const Site& site) {
  if (site.options.code == CodeForm::Image) return {{"ImageUri", ref_to("ImageUri")}};
  return {{"S3Bucket", ref_to("CodeBucket")}, {"S3Key", ref_to("CodeKey")}};
}

Json variables_of(const Site& site) {
  auto variables = environment_of(site);
  const bool is_image = site.options.code == CodeForm::Image;
  variables["MILLRACE_PIPELINE"] =
      is_image ? "/etc/millrace/pipeline.yaml" : "/var/task/pipeline.yaml";
  variables["MILLRACE_DATA"] = "/tmp/millrace";
  if (site.has_claims()) variables["MILLRACE_CLAIMS_TABLE"] = ref_to("UniqueClaims");
  return {{"Variables", std::move(variables)}};
}

void put_function(Json& root, const Site& site, const FunctionPlan& plan) {
  const auto name = fmt::format("{}-{}", site.prefix, plan.name);
  put_resource(root, plan.id + "Log", "AWS::Logs::LogGroup",
               {{"LogGroupName", "/aws/lambda/" + name},
                {"RetentionInDays", kLogDays},
                {"Tags", tag_list(site.tags)}});
  Json properties{{"FunctionName", name}, {"Role", attribute(plan.id + "Role", "Arn")}};
  if (site.options.code == CodeForm::Image) {
    properties["PackageType"] = "Image";
    properties["ImageConfig"] = {{"EntryPoint", Json::array({"/usr/bin/millrace", "lambda"})}};
  } else {
    properties["Runtime"] = "provided.al2023";
    properties["Handler"] = "bootstrap";
  }
  properties["Architectures"] = Json::array({"x86_64"});
  properties["Code"] = code_of(site);
  properties["Timeout"] = plan.seconds;
  properties["MemorySize"] = plan.memory_mib;
  properties["EphemeralStorage"] = {{"Size", plan.disk_mib}};
  if (plan.is_alone) properties["ReservedConcurrentExecutions"] = 1;
  properties["LoggingConfig"] = {{"LogFormat", "Text"}, {"LogGroup", ref_to(plan.id + "Log")}};
  properties["Environment"] = variables_of(site);
  properties["Tags"] = tag_list(site.tags);
  put_resource(root, plan.id, "AWS::Lambda::Function", std::move(properties));
  put_output(root, plan.id + "Name", "The function " + name, ref_to(plan.id));
}

Role function_role(const Site& site, const FunctionPlan& plan) {
  Role role{.id = plan.id + "Role",
            .name = fmt::format("{}-{}-${{AWS::Region}}", site.prefix, plan.name),
            .service = "lambda.amazonaws.com",
            .statements = {}};
  role.statements.push_back(
      {"Log", {"logs:CreateLogStream", "logs:PutLogEvents"}, {"${" + plan.id + "Log.Arn}"}});
  allow_lake(role.statements, site);
  allow_inputs(role.statements, site);
  return role;
}

/// What a mapping reads: the stream, or a consumer of its own.
Json event_source(Json& root, const Site& site, const Thing& stream) {
  const auto* source = site.pipeline.source(stream.of);
  const auto& fan_out = std::get<config::KinesisSource>(source->from).fan_out;
  const auto arn = !stream.id.empty() ? attribute(stream.id, "Arn")
                   : stream.name.starts_with("arn:")
                       ? Json(stream.name)
                       : sub("arn:${AWS::Partition}:kinesis:${AWS::Region}:${AWS::AccountId}:"
                             "stream/" +
                             stream.name);
  if (fan_out.empty()) return arn;
  if (fan_out.starts_with("arn:")) return fan_out;
  const auto id = id_of(stream.of) + "Consumer";
  put_resource(root, id, "AWS::Kinesis::StreamConsumer",
               {{"ConsumerName", fan_out}, {"StreamARN", arn}});
  return ref_to(id);
}

void put_start(Json& mapping, const config::KinesisSource& source) {
  using Start = config::KinesisSource::Start;
  if (source.start == Start::Time) {
    mapping["StartingPosition"] = "AT_TIMESTAMP";
    mapping["StartingPositionTimestamp"] =
        std::chrono::floor<std::chrono::seconds>(source.start_at).time_since_epoch().count();
  } else {
    mapping["StartingPosition"] = source.start == Start::Latest ? "LATEST" : "TRIM_HORIZON";
  }
}

void put_mapping(Json& root, const Site& site, const Thing& stream) {
  const auto* source = site.pipeline.source(stream.of);
  Json mapping{{"EventSourceArn", event_source(root, site, stream)},
               {"FunctionName", ref_to("StreamFunction")}};
  put_start(mapping, std::get<config::KinesisSource>(source->from));
  mapping["BatchSize"] = kBatchRecords;
  mapping["MaximumBatchingWindowInSeconds"] = site.options.window_seconds;
  // A shard's records are taken one batch after the other, and none is ever given up: the tables'
  // positions say what is done. Poison records are found by the program itself.
  mapping["ParallelizationFactor"] = 1;
  mapping["MaximumRetryAttempts"] = -1;
  mapping["MaximumRecordAgeInSeconds"] = -1;
  mapping["BisectBatchOnFunctionError"] = false;
  mapping["FunctionResponseTypes"] = Json::array({"ReportBatchItemFailures"});
  mapping["Tags"] = tag_list(site.tags);
  put_resource(root, id_of(stream.of) + "Mapping", "AWS::Lambda::EventSourceMapping",
               std::move(mapping));
}

void put_code_parameters(Json& root, const Site& site) {
  if (site.options.code == CodeForm::Image) {
    put_parameter(root, "ImageUri",
                  {{"Type", "String"}, {"Description", "The image, in ECR of this region"}});
    return;
  }
  put_parameter(root, "CodeBucket",
                {{"Type", "String"}, {"Description", "The bucket that the zip lies in"}});
  put_parameter(root, "CodeKey",
                {{"Type", "String"}, {"Description", "The zip: bootstrap, pipeline.yaml, files"}});
}

struct Call {
  std::string id;
  std::string name;        ///< its end
  std::string expression;  ///< `cron(…)` or `rate(…)`
  std::string command;
};

void put_schedule(Json& root, const Site& site, const Call& call) {
  const Json input{{"millrace", call.command}};
  put_resource(
      root, call.id, "AWS::Scheduler::Schedule",
      {{"Name", fmt::format("{}-{}", site.prefix, call.name)},
       {"GroupName", ref_to("Schedules")},
       {"ScheduleExpression", call.expression},
       {"ScheduleExpressionTimezone", site.pipeline.timezone},
       {"FlexibleTimeWindow", {{"Mode", "OFF"}}},
       {"Target",
        {{"Arn", attribute("JobsFunction", "Arn")},
         {"RoleArn", attribute("ScheduleRole", "Arn")},
         {"Input", input.dump()},
         {"RetryPolicy", {{"MaximumEventAgeInSeconds", 900}, {"MaximumRetryAttempts", 3}}}}}});
}

void put_cron(Json& root, const Site& site, const config::Cron& cron, Call call) {
  const auto expressions = eventbridge_schedules(cron);
  CHECK(expressions.has_value());  // the file was looked through before
  for (std::size_t i = 0; i < expressions->size(); ++i) {
    auto one = call;
    one.expression = (*expressions)[i];
    if (i > 0) {
      one.id += std::to_string(i + 1);
      one.name += fmt::format("-{}", i + 1);
    }
    put_schedule(root, site, one);
  }
}

}  // namespace

void put_functions(Json& root, const Site& site) {
  if (!site.is_lambda()) return;
  put_code_parameters(root, site);
  const FunctionPlan stream{"StreamFunction", "stream", kStreamSeconds, site.options.memory_mib,
                            kStreamDiskMib};
  auto role = function_role(site, stream);
  allow_streams(role.statements, site, true);
  if (site.has_claims()) {
    role.statements.push_back({"Claims", {"dynamodb:PutItem"}, {"${UniqueClaims.Arn}"}});
  }
  put_role(root, role, site.tags);
  put_function(root, site, stream);
  std::vector<std::string> read;
  for (const auto& thing : site.things) {
    if (thing.part != Part::Stream || std::ranges::find(read, thing.name) != read.end()) continue;
    read.push_back(thing.name);
    put_mapping(root, site, thing);
  }
  if (!site.has_jobs_function()) return;
  const FunctionPlan jobs{"JobsFunction", "jobs", kJobsSeconds, site.options.jobs_memory_mib,
                          kJobsDiskMib,   true};
  role = function_role(site, jobs);
  allow_streams(role.statements, site, false);
  allow_alerts(role.statements, site);
  allow_jobs(role.statements, site);
  put_role(root, role, site.tags);
  put_function(root, site, jobs);
  // The schedule comes again by itself.
  put_resource(root, "JobsCalls", "AWS::Lambda::EventInvokeConfig",
               {{"FunctionName", ref_to("JobsFunction")},
                {"Qualifier", "$LATEST"},
                {"MaximumRetryAttempts", 0},
                {"MaximumEventAgeInSeconds", kCallSecondsMax}});
}

void put_schedules(Json& root, const Site& site) {
  if (!site.has_jobs_function()) return;
  put_resource(root, "Schedules", "AWS::Scheduler::ScheduleGroup",
               {{"Name", site.prefix}, {"Tags", tag_list(site.tags)}});
  put_role(root,
           {.id = "ScheduleRole",
            .name = site.prefix + "-schedules-${AWS::Region}",
            .service = "scheduler.amazonaws.com",
            .statements = {{"Jobs", {"lambda:InvokeFunction"}, {"${JobsFunction.Arn}"}}},
            .is_for_account = true},
           site.tags);
  for (const auto& job : site.pipeline.jobs) {
    if (!job.at) continue;
    put_cron(root, site, *job.at, {id_of(job.name) + "Schedule", job.name, "", "jobs"});
  }
  const bool has_alerts = !site.pipeline.alerts.empty();
  if (!site.pipeline.jobs.empty() || has_alerts) {
    put_schedule(root, site,
                 {"CatchUpCalls", "catch-up", has_alerts ? kCatchUpWithAlerts : kCatchUp, "jobs"});
  }
  if (site.pipeline.maintenance) {
    put_cron(root, site, *site.pipeline.maintenance,
             {"MaintenanceCalls", "table-maintenance", "", "maintain"});
  }
}

}  // namespace millrace::deploy
