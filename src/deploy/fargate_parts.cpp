// The program as one task of ECS on Fargate.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "deploy/names.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

constexpr int kLogDays = 30;
constexpr int kDiskGib = 50;  // copies of the lake's files, spill files
constexpr int kStopSeconds = 60;

/// The least size of a task with so much memory. Source  ECS developer guide, "Task CPU and
/// memory".
struct TaskSize {
  int cpu = 0;         ///< 1024 a core
  int memory_mib = 0;  ///< of the task
};
TaskSize size_for(int memory_mib) {
  const int gib = (memory_mib + 1023) / 1024;
  if (gib <= 2) return {256, gib * 1024};
  if (gib <= 4) return {512, gib * 1024};
  if (gib <= 8) return {1024, gib * 1024};
  return {2048, gib * 1024};
}

void put_parameters(Json& root) {
  put_parameter(root, "ImageUri",
                {{"Type", "String"}, {"Description", "The image, in ECR of this region"}});
  put_parameter(root, "VpcId",
                {{"Type", "AWS::EC2::VPC::Id"}, {"Description", "Where the task runs"}});
  put_parameter(root, "SubnetIds",
                {{"Type", "List<AWS::EC2::Subnet::Id>"},
                 {"Description", "Subnets of it, with a way to AWS's endpoints"}});
  put_parameter(root, "AssignPublicIp",
                {{"Type", "String"},
                 {"Default", "DISABLED"},
                 {"AllowedValues", Json::array({"DISABLED", "ENABLED"})},
                 {"Description", "ENABLED in public subnets, which have no NAT"}});
}

void put_roles(Json& root, const Site& site) {
  Role task{.id = "TaskRole",
            .name = site.prefix + "-task-${AWS::Region}",
            .service = "ecs-tasks.amazonaws.com",
            .statements = {},
            .is_for_account = true};
  allow_lake(task.statements, site);
  allow_inputs(task.statements, site);
  allow_alerts(task.statements, site);
  allow_streams(task.statements, site, true);
  allow_jobs(task.statements, site);
  allow_metrics(task.statements, site);
  put_role(root, task, site.tags);
  Role start{
      .id = "TaskStartRole",
      .name = site.prefix + "-task-start-${AWS::Region}",
      .service = "ecs-tasks.amazonaws.com",
      .statements =
          {{"Log", {"logs:CreateLogStream", "logs:PutLogEvents"}, {"${TaskLog.Arn}"}},
           {"Login", {"ecr:GetAuthorizationToken"}, {"*"}, "ECR knows no resource for its login"},
           {"Image",
            {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
            {"arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:"
             "repository/${ImageRepository}"}}},
      .is_for_account = true};
  put_parameter(root, "ImageRepository",
                {{"Type", "String"}, {"Description", "The name of the image's repository in ECR"}});
  for (const auto& variable : site.variables) {
    if (!variable.is_secret) continue;
    const auto id = parameter_of(variable.name);
    std::string resource = "${" + id + "}";
    if (variable.fallback) {
      const auto none =
          sub("arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:none");
      resource = either("Has" + id, ref_to(id), none).dump();
    }
    start.statements.push_back({"Secret" + id, {"secretsmanager:GetSecretValue"}, {resource}});
  }
  put_role(root, start, site.tags);
}

Json container_of(const Site& site, int memory_mib) {
  Json environment = Json::array();
  Json secrets = Json::array();
  for (const auto& variable : site.variables) {
    const auto id = parameter_of(variable.name);
    if (!variable.is_secret) {
      environment.push_back({{"Name", variable.name}, {"Value", value_of(site, variable)}});
      continue;
    }
    const Json secret{{"Name", variable.name}, {"ValueFrom", ref_to(id)}};
    secrets.push_back(variable.fallback ? either("Has" + id, secret, no_value()) : secret);
  }
  environment.push_back({{"Name", "AWS_REGION"}, {"Value", ref_to("AWS::Region")}});
  Json container{
      {"Name", "millrace"},
      {"Image", ref_to("ImageUri")},
      {"Essential", true},
      {"Command", Json::array({"run", "/etc/millrace/pipeline.yaml", "--data", "/var/lib/millrace",
                               "--listen", "127.0.0.1:8080", "--memory",
                               fmt::format("{}MiB", memory_mib * 3 / 4), "--log-format", "json"})},
      {"StopTimeout", kStopSeconds},
      {"Environment", std::move(environment)}};
  if (!secrets.empty()) container["Secrets"] = std::move(secrets);
  container["LogConfiguration"] = {{"LogDriver", "awslogs"},
                                   {"Options",
                                    {{"awslogs-group", ref_to("TaskLog")},
                                     {"awslogs-region", ref_to("AWS::Region")},
                                     {"awslogs-stream-prefix", "millrace"}}}};
  return container;
}

void put_definition(Json& root, const Site& site) {
  const auto size = size_for(site.options.memory_mib);
  put_resource(root, "TaskLog", "AWS::Logs::LogGroup",
               {{"LogGroupName", "/ecs/" + site.prefix},
                {"RetentionInDays", kLogDays},
                {"Tags", tag_list(site.tags)}});
  put_resource(
      root, "Task", "AWS::ECS::TaskDefinition",
      {{"Family", site.prefix},
       {"RequiresCompatibilities", Json::array({"FARGATE"})},
       {"NetworkMode", "awsvpc"},
       {"Cpu", std::to_string(size.cpu)},
       {"Memory", std::to_string(size.memory_mib)},
       {"EphemeralStorage", {{"SizeInGiB", kDiskGib}}},
       {"RuntimePlatform", {{"CpuArchitecture", "X86_64"}, {"OperatingSystemFamily", "LINUX"}}},
       {"TaskRoleArn", attribute("TaskRole", "Arn")},
       {"ExecutionRoleArn", attribute("TaskStartRole", "Arn")},
       {"ContainerDefinitions", Json::array({container_of(site, size.memory_mib)})},
       {"Tags", tag_list(site.tags)}});
}

}  // namespace

void put_task(Json& root, const Site& site) {
  if (site.is_lambda()) return;
  put_parameters(root);
  put_roles(root, site);
  put_definition(root, site);
  const Json out{{"IpProtocol", "-1"}, {"CidrIp", "0.0.0.0/0"}, {"Description", "AWS, and others"}};
  put_resource(root, "TaskNetwork", "AWS::EC2::SecurityGroup",
               {{"GroupName", site.prefix + "-task"},
                {"GroupDescription", "Nothing comes in, all may go out"},
                {"VpcId", ref_to("VpcId")},
                {"SecurityGroupEgress", Json::array({out})},
                {"Tags", tag_list(site.tags)}});
  put_resource(root, "Cluster", "AWS::ECS::Cluster",
               {{"ClusterName", site.prefix}, {"Tags", tag_list(site.tags)}});
  // Never two at once: the second would fence the first, and both would work for nothing.
  put_resource(
      root, "Service", "AWS::ECS::Service",
      {{"ServiceName", site.prefix + "-worker"},
       {"Cluster", ref_to("Cluster")},
       {"LaunchType", "FARGATE"},
       {"TaskDefinition", ref_to("Task")},
       {"DesiredCount", 1},
       {"DeploymentConfiguration", {{"MinimumHealthyPercent", 0}, {"MaximumPercent", 100}}},
       {"NetworkConfiguration",
        {{"AwsvpcConfiguration",
          {{"AssignPublicIp", ref_to("AssignPublicIp")},
           {"SecurityGroups", Json::array({attribute("TaskNetwork", "GroupId")})},
           {"Subnets", ref_to("SubnetIds")}}}}},
       {"PropagateTags", "SERVICE"},
       {"Tags", tag_list(site.tags)}});
  put_output(root, "ClusterName", "The cluster that the task runs on", ref_to("Cluster"));
}

}  // namespace millrace::deploy
