// Glue's job, and Redshift Serverless with its role.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deploy/names.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

constexpr const char* kGlueVersion = "5.1";  // Spark 3.5.6, Python 3.11, Delta Lake 3.3.2
constexpr const char* kModules = "duckdb==1.5.5,pyarrow>=12,pyyaml>=6,xxhash>=3,tzdata,numpy";
constexpr int kWorkersLeast = 2;
constexpr int kRpus = 8;

/// `s3://bucket/key` of the file that the job reads; none: its name only.
std::optional<std::string> glue_file(const Site& site) {
  const auto& file = site.pipeline.engines.glue->file;
  return file.starts_with("s3://") ? std::optional(file.substr(5)) : std::nullopt;
}

/// Where the pipeline file lies for a job that has it by its name, below the bucket of the code.
std::string brought_file(const Site& site) {
  return fmt::format("${{CodeBucket}}/{}/{}", site.prefix, site.pipeline.engines.glue->file);
}

/// What the job of Glue is given; variables of the file are `--env_NAME` there.
Json glue_arguments(const Site& site) {
  Json arguments{
      {"--datalake-formats", "delta"},
      {"--conf",
       "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension --conf "
       "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"},
      {"--additional-python-modules",
       sub(fmt::format("s3://${{CodeBucket}}/${{GlueWheelKey}},{}", kModules))},
      {"--enable-metrics", "true"},
      {"--enable-continuous-cloudwatch-log", "true"}};
  for (const auto& variable : site.variables) {
    // Glue shows arguments to whoever may see the job, and its runs need no secret.
    const bool is_itself = std::ranges::any_of(
        variable.names, [](const Fact& fact) { return fact.part == Part::GlueJob; });
    if (is_itself) {
      arguments["--env_" + variable.name] = sub(site.thing(Part::GlueJob)->made_name);
    } else if (variable.is_secret) {
      arguments["--env_" + variable.name] = "https://withheld.invalid";
    } else {
      arguments["--env_" + variable.name] = value_of(site, variable);
    }
  }
  if (!glue_file(site)) arguments["--extra-files"] = sub("s3://" + brought_file(site));
  for (const auto& [name, value] : site.pipeline.engines.glue->arguments) arguments[name] = value;
  return arguments;
}

Role glue_role(const Site& site) {
  Role role{.id = "GlueRole",
            .name = site.prefix + "-glue-${AWS::Region}",
            .service = "glue.amazonaws.com",
            .statements = {}};
  allow_lake(role.statements, site);
  role.statements.push_back({"Code",
                             {"s3:GetObject"},
                             {"arn:${AWS::Partition}:s3:::${CodeBucket}/${GlueScriptKey}",
                              "arn:${AWS::Partition}:s3:::${CodeBucket}/${GlueWheelKey}"}});
  role.statements.push_back(
      {"PipelineFile",
       {"s3:GetObject"},
       {"arn:${AWS::Partition}:s3:::" + glue_file(site).value_or(brought_file(site))}});
  role.statements.push_back(
      {"Log",
       {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
       {"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws-glue/*"}});
  role.statements.push_back({"Metrics",
                             {"cloudwatch:PutMetricData"},
                             {"*"},
                             "CloudWatch knows no resource for metrics; the namespace is bounded "
                             "by the condition",
                             R"({"StringEquals": {"cloudwatch:namespace": "Glue"}})"});
  return role;
}

void put_glue_parameters(Json& root, const Site& site) {
  if (!root["Parameters"].contains("CodeBucket")) {
    put_parameter(root, "CodeBucket",
                  {{"Type", "String"}, {"Description", "The bucket of Glue's script and wheel"}});
  }
  put_parameter(root, "GlueScriptKey",
                {{"Type", "String"},
                 {"Default", site.prefix + "/glue_job.py"},
                 {"Description", "The script: from millrace_spark.glue import main; main()"}});
  put_parameter(root, "GlueWheelKey",
                {{"Type", "String"},
                 {"Default", site.prefix + "/millrace_spark-0.1.0-py3-none-any.whl"},
                 {"Description", "The package millrace_spark"}});
}

Role copy_role(const Site& site, const config::Warehouse& warehouse) {
  const auto bucket =
      "arn:${AWS::Partition}:s3:::" + site.thing(Part::Bucket, warehouse.name)->name;
  return {.id = "RedshiftRole",
          .name = site.prefix + "-redshift-${AWS::Region}",
          .service = "redshift.amazonaws.com",
          .statements = {{"Staging",
                          {"s3:GetObject"},
                          {bucket + "/" + warehouse.redshift.staging.key + "millrace/*"}},
                         {"StagingList", {"s3:ListBucket", "s3:GetBucketLocation"}, {bucket}}}};
}

void put_workgroup(Json& root, const Site& site, const config::Warehouse& warehouse,
                   const Thing& workgroup) {
  put_parameter(root, "RedshiftSubnetIds",
                {{"Type", "CommaDelimitedList"},
                 {"Default", ""},
                 {"Description",
                  "Three subnets in three zones for Redshift; empty: those of the default VPC"}});
  const Json all{{"Fn::Join", Json::array({"", ref_to("RedshiftSubnetIds")})}};
  put_condition(root, "HasRedshiftSubnets",
                {{"Fn::Not", Json::array({{{"Fn::Equals", Json::array({all, ""})}}})}});
  site.keep_data(put_resource(root, "Namespace", "AWS::RedshiftServerless::Namespace",
                              {{"NamespaceName", site.small_prefix},
                               {"DbName", warehouse.redshift.database},
                               {"AdminUsername", "administrator"},
                               {"ManageAdminPassword", true},
                               {"DefaultIamRoleArn", attribute("RedshiftRole", "Arn")},
                               {"IamRoles", Json::array({attribute("RedshiftRole", "Arn")})},
                               {"Tags", tag_list(site.tags)}}));
  put_resource(
      root, workgroup.id, "AWS::RedshiftServerless::Workgroup",
      {{"WorkgroupName", sub(workgroup.made_name)},
       {"NamespaceName", ref_to("Namespace")},
       {"BaseCapacity", kRpus},
       {"PubliclyAccessible", false},
       {"SubnetIds", either("HasRedshiftSubnets", ref_to("RedshiftSubnetIds"), no_value())},
       {"Tags", tag_list(site.tags)}});
  put_output(root, "WorkgroupEndpoint", "Where Redshift is",
             attribute(workgroup.id, "Workgroup.Endpoint.Address"));
}

}  // namespace

void put_glue(Json& root, const Site& site) {
  const auto* job = site.thing(Part::GlueJob);
  if (!job || !job->is_made()) return;
  const auto& glue = *site.pipeline.engines.glue;
  put_glue_parameters(root, site);
  put_role(root, glue_role(site), site.tags);
  const auto timeout = std::chrono::duration_cast<std::chrono::minutes>(glue.timeout).count();
  put_resource(root, job->id, "AWS::Glue::Job",
               {{"Name", sub(job->made_name)},
                {"Role", attribute("GlueRole", "Arn")},
                {"GlueVersion", kGlueVersion},
                {"WorkerType", glue.worker_type.empty() ? "G.1X" : glue.worker_type},
                {"NumberOfWorkers", std::max(glue.workers, kWorkersLeast)},
                {"Timeout", std::max<std::int64_t>(timeout, 1)},
                {"MaxRetries", 0},  // millrace starts a failed run again, as the job's `retry` says
                {"ExecutionProperty", {{"MaxConcurrentRuns", 4}}},
                {"Command",
                 {{"Name", "glueetl"},
                  {"PythonVersion", "3"},
                  {"ScriptLocation", sub("s3://${CodeBucket}/${GlueScriptKey}")}}},
                {"DefaultArguments", glue_arguments(site)},
                {"Tags", tag_map(site.tags)}});
  put_output(root, "GlueJobName", "The job of Glue", ref_to(job->id));
}

void put_redshift(Json& root, const Site& site) {
  for (const auto& warehouse : site.pipeline.warehouses) {
    if (warehouse.kind != config::Warehouse::Kind::Redshift) continue;
    const auto* workgroup = site.thing(Part::Workgroup, warehouse.name);
    const auto* role = site.thing(Part::RedshiftRole, warehouse.name);
    const bool makes_workgroup = workgroup && workgroup->is_made();
    const bool makes_role = makes_workgroup || (role && role->is_made());
    if (!makes_role || root["Resources"].contains("RedshiftRole")) continue;
    put_role(root, copy_role(site, warehouse), site.tags);
    if (makes_workgroup) put_workgroup(root, site, warehouse, *workgroup);
    put_output(root, "RedshiftRoleArn", "As which Redshift reads what is staged",
               attribute("RedshiftRole", "Arn"));
  }
}

}  // namespace millrace::deploy
