#include "deploy/deployment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deploy/capacity.hpp"
#include "deploy/names.hpp"
#include "deploy/places.hpp"
#include "deploy/schedule.hpp"
#include "deploy/steps.hpp"

namespace millrace::deploy {
namespace {

using base::Error;
using Errors = std::vector<Error>;

// CloudFormation's limits of a template that lies on S3, and of its resources.
constexpr std::size_t kTemplateBytesMax = 1'000'000;
constexpr std::size_t kResourcesMax = 500;

/// Schedules that EventBridge cannot have.
Errors unfit_schedules(std::string_view text, const config::Pipeline& pipeline,
                       const Options& options) {
  Errors errors;
  if (options.worker != Worker::Lambda) return errors;
  for (const auto& job : pipeline.jobs) {
    const auto expressions =
        job.at ? eventbridge_schedules(*job.at)
               : base::Result<std::vector<std::string>>(std::vector<std::string>());
    if (expressions) continue;
    errors.push_back({expressions.error().code,
                      fmt::format("job '{}': {}", job.name, expressions.error().message),
                      job.place.text()});
  }
  if (!pipeline.maintenance) return errors;
  const auto expressions = eventbridge_schedules(*pipeline.maintenance);
  if (!expressions) {
    errors.push_back({expressions.error().code, "maintenance: " + expressions.error().message,
                      place_of_key(text, pipeline, "maintenance").text()});
  }
  return errors;
}

Json built(const Site& site) {
  Json root{{"AWSTemplateFormatVersion", "2010-09-09"},
            {"Description", fmt::format("Millrace: {}", site.prefix)},
            {"Metadata",
             {{"Millrace", kOurs},
              {"Pipeline", site.pipeline.file.filename().string()},
              {"Stage", site.options.stage}}},
            {"Parameters", Json::object()},
            {"Conditions", Json::object()},
            {"Resources", Json::object()},
            {"Outputs", Json::object()}};
  put_variables(root, site);
  put_lake(root, site);
  put_streams(root, site);
  put_lookup_tables(root, site);
  put_claims(root, site);
  put_topics(root, site);
  put_functions(root, site);
  put_schedules(root, site);
  put_task(root, site);
  put_glue(root, site);
  put_redshift(root, site);
  put_alarms(root, site);
  put_dashboard(root, site);
  return root;
}

/// What a parameter is given; between < and > what the steps put in.
std::string given_value(const Site& site, const std::string& id, const Json& parameter) {
  static const std::vector<std::pair<std::string, std::string>> kLater{
      {"CodeBucket", "<CODE_BUCKET>"},
      {"CodeKey", "<CODE_KEY>"},
      {"ImageUri", "<IMAGE_URI>"},
      {"ImageRepository", "<IMAGE_REPOSITORY>"}};
  for (const auto& [name, value] : kLater) {
    if (name == id) return value;
  }
  for (const auto& variable : site.variables) {
    if (parameter_of(variable.name) == id && !variable.is_secret) return variable.text();
  }
  return parameter.value("Default", "");
}

std::string parameters_of(const Site& site, const Json& root) {
  Json list = Json::array();
  for (const auto& [id, parameter] : root["Parameters"].items()) {
    list.push_back({{"ParameterKey", id}, {"ParameterValue", given_value(site, id, parameter)}});
  }
  return list.dump(2) + "\n";
}

void add_warnings(Deployment& deployment, const Site& site) {
  deployment.warnings = site.capacity.warnings;
  for (auto& doubt : doubts(site.pipeline, site.options)) {
    deployment.warnings.push_back(std::move(doubt));
  }
  for (const auto& thing : site.things) {
    if (thing.is_made() && thing.variable.empty()) {
      deployment.warnings.push_back(fmt::format(
          "the name '{}' is fixed in the file, so that another stage cannot have its own: write "
          "${{NAME:-{}}}",
          thing.made_name, thing.made_name));
    }
  }
  for (const auto& variable : site.variables) {
    if (!variable.is_fixed) continue;
    deployment.warnings.push_back(
        fmt::format("{} is a piece of a name: it is '{}' in this template, for good", variable.name,
                    variable.text()));
  }
}

}  // namespace

std::variant<Deployment, Errors> deployment_of(std::string_view text, const DeployedFile& file,
                                               const Options& options) {
  if (const auto checked = check(options); !checked) return Errors{checked.error()};
  const auto capacity = capacity_of(options);
  if (!capacity) return Errors{capacity.error()};
  auto errors = unfit_parts(text, file.pipeline, options);
  for (auto& error : unfit_schedules(text, file.pipeline, options)) {
    errors.push_back(std::move(error));
  }
  if (!errors.empty()) return errors;
  const auto made = make_site(file, options, *capacity);
  if (const auto* wrong = std::get_if<Errors>(&made)) return *wrong;
  const auto& site = std::get<Site>(made);
  auto root = built(site);
  Deployment deployment;
  for (const auto& [id, resource] : root["Resources"].items()) {
    deployment.resources.push_back({resource["Type"].get<std::string>(), id});
  }
  deployment.costs = costs_of(site, root);
  add_warnings(deployment, site);
  if (root["Conditions"].empty()) root.erase("Conditions");
  auto document = root.dump(1) + "\n";
  if (document.size() > kTemplateBytesMax || deployment.resources.size() > kResourcesMax) {
    return Errors{{base::Code::Invalid,
                   fmt::format("the template has {} bytes and {} resources, and CloudFormation "
                               "takes {} and {}: divide the pipeline",
                               document.size(), deployment.resources.size(), kTemplateBytesMax,
                               kResourcesMax),
                   file.pipeline.file.string()}};
  }
  deployment.files.push_back({"template.json", std::move(document)});
  deployment.files.push_back({"parameters.json", parameters_of(site, root)});
  deployment.files.push_back({"README.md", steps_of(site, deployment)});
  return deployment;
}

bool is_ours(std::string_view text) {
  return text.find(kOurs) != std::string_view::npos ||
         (text.starts_with('[') && text.find("\"ParameterKey\"") != std::string_view::npos);
}

std::string kept_values(std::string_view parameters, std::string_view earlier) {
  auto list = Json::parse(parameters);
  const auto before = Json::parse(earlier, nullptr, false);
  if (!before.is_array()) return std::string(parameters);
  for (auto& one : list) {
    for (const auto& old : before) {
      const bool is_same = old.is_object() && old.contains("ParameterValue") &&
                           old.value("ParameterKey", Json()) == one["ParameterKey"];
      if (is_same) one["ParameterValue"] = old["ParameterValue"];
    }
  }
  return list.dump(2) + "\n";
}

}  // namespace millrace::deploy
