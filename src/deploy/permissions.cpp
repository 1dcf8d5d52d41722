// What the program may do, statement by statement.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deploy/names.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

using Statements = std::vector<Statement>;

std::string arn(std::string_view service, std::string_view resource) {
  return fmt::format("arn:${{AWS::Partition}}:{}:${{AWS::Region}}:${{AWS::AccountId}}:{}", service,
                     resource);
}

std::string bucket_arn(const std::string& bucket) {
  return "arn:${AWS::Partition}:s3:::" + bucket;
}

/// The stream or table that `name` names, which may be an ARN itself.
std::string named_arn(std::string_view service, std::string_view kind, const std::string& name) {
  return name.starts_with("arn:") ? name : arn(service, fmt::format("{}/{}", kind, name));
}

std::string title(const std::string& name) {
  return id_of(name);
}

void allow_bucket_read(Statements& statements, const std::string& id, const std::string& bucket,
                       const std::string& key) {
  statements.push_back({id, {"s3:GetObject"}, {bucket_arn(bucket) + "/" + key}});
  // Without it an object that is not there looks like one that must not be read.
  statements.push_back({id + "List", {"s3:ListBucket"}, {bucket_arn(bucket)}});
}

/// The part of a glob before its first wildcard.
std::string fixed_part(const std::string& glob) {
  return glob.substr(0, glob.find_first_of("*?["));
}

void allow_redshift(Statements& statements, const Site& site, const config::Warehouse& warehouse) {
  const auto& redshift = warehouse.redshift;
  const auto id = title(warehouse.name);
  const auto* staging = site.thing(Part::Bucket, warehouse.name);
  if (staging) {
    statements.push_back({id + "Staging",
                          {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"},
                          {bucket_arn(staging->name) + "/" + redshift.staging.key + "millrace/*"}});
    statements.push_back({id + "StagingList", {"s3:ListBucket"}, {bucket_arn(staging->name)}});
  }
  if (!warehouse.url.empty()) return;
  const auto* workgroup = site.thing(Part::Workgroup, warehouse.name);
  const bool is_made = workgroup && !workgroup->id.empty();
  const std::string place = is_made ? "${" + workgroup->id + ".Workgroup.WorkgroupArn}"
                            : !redshift.cluster.empty()
                                ? arn("redshift", "cluster:" + redshift.cluster)
                                : arn("redshift-serverless", "workgroup/*");
  const std::string why =
      place.ends_with("*") ? "the ARN of a workgroup has an id, which its name does not tell" : "";
  statements.push_back({id + "Statements",
                        {"redshift-data:ExecuteStatement", "redshift-data:BatchExecuteStatement"},
                        {place},
                        why});
  statements.push_back(
      {id + "StatementsFollowed",
       {"redshift-data:DescribeStatement", "redshift-data:GetStatementResult",
        "redshift-data:CancelStatement"},
       {"*"},
       "the Redshift Data API knows no resource for a statement; its own rule lets "
       "each caller see only the statements that it handed in"});
  if (!redshift.secret.empty()) {
    statements.push_back({id + "Secret", {"secretsmanager:GetSecretValue"}, {redshift.secret}});
  } else if (redshift.cluster.empty()) {
    statements.push_back({id + "Login", {"redshift-serverless:GetCredentials"}, {place}, why});
  } else {
    statements.push_back(
        {id + "Login",
         {"redshift:GetClusterCredentials"},
         {arn("redshift", fmt::format("dbuser:{}/{}", redshift.cluster, redshift.db_user)),
          arn("redshift", fmt::format("dbname:{}/{}", redshift.cluster, redshift.database))}});
  }
}

struct InputPermissions {
  Statements& statements;
  const Site& site;
  const config::Lookup& lookup;

  void operator()(const config::LookupFile&) const {}
  void operator()(const config::LookupPostgres&) const {}
  void operator()(const config::S3Place& from) const {
    if (from.is_anonymous) return;
    const auto* bucket = site.thing(Part::Bucket, lookup.name);
    allow_bucket_read(statements, "Lookup" + title(lookup.name), bucket->name, from.key);
  }
  void operator()(const config::LookupDynamoDb&) const {
    const auto* table = site.thing(Part::LookupTable, lookup.name);
    statements.push_back({"Lookup" + title(lookup.name),
                          {"dynamodb:DescribeTable", "dynamodb:Scan"},
                          {named_arn("dynamodb", "table", table->name)}});
  }
};

/// What a parameter names, if it names something; else what nobody has.
std::string if_given(const Site& site, const Thing& thing, Json named) {
  const auto none = sub(arn("sqs", site.prefix + "-none"));
  return either("Has" + parameter_of(thing.variable), std::move(named), none).dump();
}

/// A queue is known by its URL, whose last part is its name.
std::string queue_arn(const Site& site, const Thing& thing) {
  if (thing.variable.empty()) {
    return arn("sqs", thing.given_name.substr(thing.given_name.rfind('/') + 1));
  }
  const Json parts{{"Fn::Split", Json::array({"/", ref_to(parameter_of(thing.variable))})}};
  const Json name{{"Name", {{"Fn::Select", Json::array({4, parts})}}}};
  return if_given(site, thing, {{"Fn::Sub", Json::array({arn("sqs", "${Name}"), name})}});
}

}  // namespace

void allow_lake(Statements& statements, const Site& site) {
  const auto bucket = bucket_arn(site.thing(Part::LakeBucket)->name);
  statements.push_back(
      {"Lake",
       {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"},
       {bucket + "/" + site.lake_prefix() + "*"}});
  // Not by prefix: an object that is not there is "not found" only to who may list the bucket.
  statements.push_back({"LakeList", {"s3:ListBucket"}, {bucket}});
}

void allow_inputs(Statements& statements, const Site& site) {
  for (const auto& lookup : site.pipeline.lookups) {
    std::visit(InputPermissions{statements, site, lookup}, lookup.from);
  }
  for (const auto& source : site.pipeline.sources) {
    const auto* files = std::get_if<config::FilesSource>(&source.from);
    if (!files || !files->s3 || files->s3->is_anonymous) continue;
    allow_bucket_read(statements, "Source" + title(source.name),
                      site.thing(Part::Bucket, source.name)->name,
                      fixed_part(files->s3->key) + "*");
  }
}

void allow_alerts(Statements& statements, const Site& site) {
  for (const auto& thing : site.things) {
    const auto id = "Alert" + title(thing.of);
    const bool is_given = thing.id.empty() && !thing.variable.empty();
    if (thing.part == Part::Topic) {
      statements.push_back({id + "Topic",
                            {"sns:Publish"},
                            {is_given ? if_given(site, thing, sub(thing.name)) : thing.name}});
    } else if (thing.part == Part::Queue) {
      statements.push_back({id + "Queue", {"sqs:SendMessage"}, {queue_arn(site, thing)}});
    } else if (thing.part == Part::AlertStream) {
      const auto stream = named_arn("kinesis", "stream", thing.name);
      statements.push_back({id + "Stream",
                            {"kinesis:PutRecords"},
                            {is_given ? if_given(site, thing, sub(stream)) : stream}});
    }
  }
}

void allow_streams(Statements& statements, const Site& site, bool reads_records) {
  std::vector<std::string> streams;
  for (const auto& thing : site.things) {
    if (thing.part != Part::Stream) continue;
    const auto stream =
        thing.id.empty() ? named_arn("kinesis", "stream", thing.name) : "${" + thing.id + ".Arn}";
    if (std::ranges::find(streams, stream) == streams.end()) streams.push_back(stream);
  }
  if (streams.empty()) return;
  // The runtime asks when a stream was made, and for its shards.
  std::vector<std::string> actions{"kinesis:DescribeStreamSummary", "kinesis:ListShards"};
  if (reads_records) {
    for (const char* action : {"DescribeStream", "GetRecords", "GetShardIterator"}) {
      actions.push_back(fmt::format("kinesis:{}", action));
    }
  }
  statements.push_back({"Streams", actions, streams});
  std::vector<std::string> consumers;
  for (const auto& source : site.pipeline.sources) {
    const auto* kinesis = std::get_if<config::KinesisSource>(&source.from);
    if (!kinesis || kinesis->fan_out.empty() || !reads_records) continue;
    const auto stream = site.thing(Part::Stream, source.name);
    const auto of = stream->id.empty() ? named_arn("kinesis", "stream", stream->name)
                                       : "${" + stream->id + ".Arn}";
    consumers.push_back(kinesis->fan_out.starts_with("arn:") ? kinesis->fan_out
                                                             : of + "/consumer/*");
  }
  if (consumers.empty()) return;
  statements.push_back(
      {"Consumers", {"kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"}, consumers});
  if (site.is_lambda()) return;
  statements.push_back({"ConsumersMade", {"kinesis:RegisterStreamConsumer"}, streams});
}

void allow_jobs(Statements& statements, const Site& site) {
  for (const auto& warehouse : site.pipeline.warehouses) {
    if (warehouse.kind == config::Warehouse::Kind::Redshift) {
      allow_redshift(statements, site, warehouse);
    }
  }
  if (const auto* glue = site.thing(Part::GlueJob)) {
    statements.push_back(
        {"Glue",
         {"glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"},
         {arn("glue", "job/" + glue->name)}});
  }
}

void allow_metrics(Statements& statements, const Site& site) {
  if (site.is_lambda() || !site.pipeline.metrics.cloudwatch) return;
  const Json only{
      {"StringEquals", {{"cloudwatch:namespace", site.pipeline.metrics.cloudwatch->name_space}}}};
  statements.push_back({"Metrics",
                        {"cloudwatch:PutMetricData"},
                        {"*"},
                        "CloudWatch knows no resource for metrics; the namespace is bounded by the "
                        "condition",
                        only.dump()});
}

}  // namespace millrace::deploy
