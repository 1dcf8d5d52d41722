#include "deploy/site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deploy/names.hpp"

namespace millrace::deploy {
namespace {

using base::Error;

bool is_thing(Part part) {
  return part != Part::None && part != Part::Secret && part != Part::Path;
}

config::Place place_of(const config::Pipeline& pipeline, const std::string& of) {
  if (const auto* source = pipeline.source(of)) return source->place;
  if (const auto* lookup = pipeline.lookup(of)) return lookup->place;
  if (const auto* alert = pipeline.alert(of)) return alert->place;
  if (const auto* warehouse = pipeline.warehouse(of)) return warehouse->place;
  return {.file = pipeline.file.string()};
}

struct Made {
  NameLimit limit;
  std::string id;
  std::string name;
};

/// How what the pipeline makes is called; none: that is never made.
std::optional<Made> made(Part part, const std::string& of, const Site& site) {
  const auto named = [&](const std::string& what) {
    return fmt::format("{}-{}", site.prefix, what);
  };
  switch (part) {
    case Part::LakeBucket:
      return Made{kBucketName, "LakeBucket",
                  site.small_prefix + "-lake-${AWS::AccountId}-${AWS::Region}"};
    case Part::Stream:
      return Made{kStreamName, id_of(of) + "Stream", named(of)};
    case Part::LookupTable:
      return Made{kTableName, id_of(of) + "Table", named(of)};
    case Part::Topic:
      return Made{kTopicName, id_of(of) + "Topic", named(of)};
    case Part::GlueJob:
      return Made{kTableName, "GlueJob", named("jobs")};
    case Part::Workgroup:
      return Made{kWorkgroupName, "Workgroup", site.small_prefix};
    case Part::RedshiftRole:
      return Made{kRoleName, "RedshiftRole", named("redshift-${AWS::Region}")};
    default:
      return std::nullopt;
  }
}

/// With what AWS puts in at its longest.
std::string longest(std::string name) {
  const auto put = [&](std::string_view what, std::size_t bytes) {
    const auto at = name.find(what);
    if (at != std::string::npos) name.replace(at, what.size(), std::string(bytes, 'x'));
  };
  put("${AWS::AccountId}", kAccountBytes);
  put("${AWS::Region}", kRegionBytesMax);
  return name;
}

bool is_listed(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// An ARN that the file itself has is somebody else's.
bool is_foreign(const Thing& thing) {
  const auto& name = thing.given_name;
  return thing.variable.empty() && (name.starts_with("arn:") || name == "default");
}

void name_thing(Thing& thing, const Site& site) {
  const auto made_as = made(thing.part, thing.of, site);
  const bool is_there = is_listed(site.options.existing, thing.given_name) ||
                        is_listed(site.options.existing, thing.variable);
  const bool is_ours = made_as && !is_there && !is_foreign(thing) &&
                       !(thing.part == Part::RedshiftRole && thing.variable.empty());
  if (is_ours) {
    thing.id = made_as->id;
    thing.made_name = thing.variable.empty() ? thing.given_name : made_as->name;
    thing.name = "${" + thing.id + "}";
  } else if (!thing.variable.empty()) {
    thing.name = "${" + parameter_of(thing.variable) + "}";
  } else {
    thing.name = thing.given_name;
  }
}

/// Two that the file calls the same are one.
void share(Thing& thing, const std::vector<Thing>& others) {
  const bool is_bucket = thing.part == Part::Bucket || thing.part == Part::LakeBucket;
  for (const auto& other : others) {
    const bool is_kind = other.part == thing.part || (is_bucket && other.part == Part::LakeBucket);
    const bool is_same = thing.variable.empty() ? thing.given_name == other.given_name
                                                : thing.variable == other.variable;
    if (!is_kind || !is_same || (other.variable.empty() != thing.variable.empty())) continue;
    thing.name = other.name;
    thing.id = other.id;
    thing.made_name.clear();
    return;
  }
}

/// The variable that decides a whole name, as the file has it.
std::string variable_of(const std::vector<Variable>& variables, const Fact& fact) {
  for (const auto& variable : variables) {
    for (const auto& name : variable.names) {
      if (name.part == fact.part && name.of == fact.of) return variable.name;
    }
  }
  return "";
}

/// What the file names as it is read, and what it would with variables that are empty here.
std::vector<Fact> all_facts(const DeployedFile& file) {
  auto facts = facts_of(file.pipeline);
  for (const auto& variable : file.variables) {
    for (const auto& name : variable.names) {
      const bool is_known = std::ranges::any_of(
          facts, [&](const Fact& fact) { return fact.part == name.part && fact.of == name.of; });
      if (!is_known) facts.push_back(name);
    }
  }
  return facts;
}

/// Errors  Invalid: a variable that is not set is a piece of a name.
base::Result<void> check_fixed(const Fact& fact, const std::string& variable,
                               const config::Pipeline& pipeline) {
  const bool is_open =
      variable.empty() && fact.part != Part::Secret && fact.value.find(kUnset) != std::string::npos;
  if (!is_open) return {};
  return Error{base::Code::Invalid,
               "a variable is a piece of a name here, which is fixed when the template is written: "
               "set it, or give it a default in the file",
               place_of(pipeline, fact.of).text()};
}

}  // namespace

const Thing* Site::thing(Part part, const std::string& of) const {
  const auto found = std::ranges::find_if(
      things, [&](const Thing& thing) { return thing.part == part && thing.of == of; });
  return found == things.end() ? nullptr : &*found;
}

std::string Site::lake_prefix() const {
  const auto place = pipeline.lake.substr(5);
  const auto slash = place.find('/');
  if (slash == std::string::npos || slash + 1 == place.size()) return "";
  const auto key = place.substr(slash + 1);
  return key.ends_with('/') ? key : key + "/";
}

bool Site::has_jobs_function() const {
  return is_lambda() &&
         (!pipeline.jobs.empty() || pipeline.maintenance || !pipeline.alerts.empty());
}

bool Site::has_claims() const {
  return is_lambda() && std::ranges::any_of(pipeline.tables, [](const config::Table& table) {
           return table.unique.has_value();
         });
}

config::MetricsExport Site::metrics() const {
  const auto& targets = pipeline.metrics;
  if (targets.cloudwatch && !is_lambda()) return *targets.cloudwatch;
  if (targets.embedded) return targets.embedded->what;
  if (targets.cloudwatch) return *targets.cloudwatch;
  // As the function has it: app/lambda_metrics.cpp.
  return {.name_space = "Millrace",
          .every = std::chrono::minutes(1),
          .dimensions = {},
          .labels = {"source", "table"}};
}

void Site::keep_data(Json& resource) const {
  const char* policy = options.deletes_data ? "Delete" : "Retain";
  resource["DeletionPolicy"] = policy;
  resource["UpdateReplacePolicy"] = policy;
}

std::variant<Site, std::vector<Error>> make_site(const DeployedFile& file, const Options& options,
                                                 const Capacity& capacity) {
  const auto& pipeline = file.pipeline;
  Site site{.pipeline = pipeline,
            .variables = file.variables,
            .options = options,
            .capacity = capacity,
            .prefix = prefix_of(pipeline.name, options.stage),
            .small_prefix = small_prefix_of(pipeline.name, options.stage),
            .things = {},
            .tags = {{"millrace:pipeline", pipeline.name}, {"millrace:stage", options.stage}}};
  std::vector<Error> errors;
  const auto check = [&](const NameLimit& limit, const std::string& name, const std::string& of) {
    const auto checked = check_name(limit, longest(name), place_of(pipeline, of));
    if (!checked) errors.push_back(checked.error());
  };
  for (const auto& fact : all_facts(file)) {
    const auto variable = variable_of(file.variables, fact);
    const auto fixed = check_fixed(fact, variable, pipeline);
    if (!fixed) errors.push_back(fixed.error());
    if (!is_thing(fact.part) || (fact.value.empty() && variable.empty())) continue;
    Thing thing{.part = fact.part, .of = fact.of, .given_name = fact.value, .variable = variable};
    name_thing(thing, site);
    share(thing, site.things);
    if (const auto as = made(thing.part, thing.of, site); as && !thing.made_name.empty()) {
      check(as->limit, thing.made_name, thing.of);
    }
    site.things.push_back(std::move(thing));
  }
  // The longest of what is made whatever the file has.
  check(kFunctionName, site.prefix + "-stream", "");
  check(kRoleName, site.prefix + "-task-start-${AWS::Region}", "");
  for (const auto& job : pipeline.jobs) {
    if (!job.at || !site.is_lambda()) continue;
    const auto checked =
        check_name(kScheduleName, fmt::format("{}-{}-2", site.prefix, job.name), job.place);
    if (!checked) errors.push_back(checked.error());
  }
  if (!errors.empty()) return errors;
  return site;
}

}  // namespace millrace::deploy
